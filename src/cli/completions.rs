//! `mirrorplane completions`.

use std::process::ExitCode;

use clap::CommandFactory;

use super::output;

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
    // Not to stdout itself: a reader that goes away would be a panic.
    let mut script = Vec::new();
    clap_complete::generate(
        args.shell,
        &mut super::Cli::command(),
        "mirrorplane",
        &mut script,
    );
    output::print(String::from_utf8_lossy(&script).trim_end())?;
    Ok(ExitCode::SUCCESS)
}
