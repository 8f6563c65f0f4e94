//! `mirrorplane completions`.

use std::io;
use std::process::ExitCode;

use clap::CommandFactory;

/// Print a completion script for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mirrorplane completions bash > ~/.local/share/bash-completion/completions/mirrorplane")]
pub(super) struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    clap_complete::generate(
        args.shell,
        &mut super::Cli::command(),
        "mirrorplane",
        &mut io::stdout(),
    );
    Ok(ExitCode::SUCCESS)
}
