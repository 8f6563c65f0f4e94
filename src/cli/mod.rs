//! The command line: one file per subcommand.
//!
//! Data goes to stdout, talk to stderr. Exit codes: 0 done, 1 done and the answer is no (`check` found errors, a sidecar is
//! not in sync, the demo's shares were wrong), 2 not done.

mod bootstrap;
mod capture;
mod check;
mod completions;
mod crds;
mod demo;
mod inject;
mod input;
mod mesh_names;
mod namespace;
mod output;
mod place;
mod redirect;
mod serve;
mod serve_rollout;
mod serve_security;
mod serve_status;
mod serve_webhook;
mod shim;
mod sidecar_settings;
mod status;
mod stop;
mod translate;

use std::io;
use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::Context;
use anyhow::bail;
use clap::{Parser, Subcommand, ValueEnum};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::sidecar::Delivery;

/// Mirrors live traffic to a shadow service, without hurting the live one.
#[derive(Debug, Parser)]
#[command(name = "mirrorplane", version, max_term_width = 120)]
#[command(after_help = "Examples:
  mirrorplane demo                          the whole thing in one process, nothing else needed
  mirrorplane check ./mesh                  what is wrong with a folder of objects
  mirrorplane serve --config-dir ./mesh     the control plane, on files
  mirrorplane serve                         the control plane, on the Kubernetes API
  mirrorplane status                        which sidecars have the newest configuration
  mirrorplane stop --all                    nothing is copied any more, at once
  mirrorplane bootstrap --node curl/curl    what a sidecar starts with")]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// What to log, as in `info` or `mirrorplane::server=debug` [default: info for serve and shim, else warn]
    #[arg(long, global = true, env = "MIRRORPLANE_LOG", value_name = "FILTER")]
    log: Option<String>,
    /// How to log
    #[arg(long, global = true, env = "MIRRORPLANE_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    /// A line of text for each event
    Text,
    /// A JSON object for each event
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(Box<serve::Args>),
    Status(status::Args),
    Stop(stop::Stop),
    Resume(stop::Resume),
    Check(check::Args),
    Translate(translate::Args),
    Bootstrap(bootstrap::Args),
    Inject(Box<inject::Args>),
    Redirect(redirect::Args),
    Namespace(namespace::Args),
    Shim(shim::Args),
    Demo(demo::Args),
    Crds(crds::Args),
    Completions(completions::Args),
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // To stdout for --help and --version, to stderr for mistakes. Nothing is left to do if that fails.
            error.print().ok();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match run(cli) {
        Ok(code) => code,
        Err(error) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::talk(format_args!("error: {error:#}"));
            ExitCode::from(2)
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let level = match cli.command {
        Command::Serve(_) | Command::Shim(_) => "info",
        _ => "warn",
    };
    let filter = log_filter(cli.log.as_deref().unwrap_or(level))?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    match cli.log_format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
    match cli.command {
        Command::Serve(args) => serve::run(*args),
        Command::Status(args) => status::run(&args),
        Command::Stop(args) => stop::stop(args),
        Command::Resume(args) => stop::resume(args),
        Command::Check(args) => check::run(&args),
        Command::Translate(args) => translate::run(&args),
        Command::Bootstrap(args) => bootstrap::run(&args),
        Command::Inject(args) => inject::run(&args),
        Command::Redirect(args) => redirect::run(args),
        Command::Namespace(args) => namespace::run(args),
        Command::Shim(args) => shim::run(&args),
        Command::Demo(args) => demo::run(args),
        Command::Crds(args) => crds::run(&args),
        Command::Completions(args) => completions::run(&args),
    }
}

/// A filter of log events. A word alone must be a level: as the name of a module it would silence everything.
fn log_filter(text: &str) -> anyhow::Result<EnvFilter> {
    let is_word = text.chars().all(char::is_alphanumeric);
    if is_word && text.parse::<LevelFilter>().is_err() {
        bail!(
            "--log {text}: not a level; take off, error, warn, info, debug or trace, or MODULE=LEVEL"
        );
    }
    EnvFilter::builder()
        .parse(text)
        .with_context(|| format!("--log {text}: not a filter"))
}

/// What the flag `--delta` means.
fn delivery(delta: bool) -> Delivery {
    if delta {
        Delivery::Delta
    } else {
        Delivery::StateOfTheWorld
    }
}

/// Runs a future to its end on a new runtime.
fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(future)
}

/// Ends when the process is asked to: Ctrl-C or SIGTERM.
async fn asked_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    match (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) {
        (Ok(mut interrupt), Ok(mut terminate)) => {
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        }
        // Without handlers the signals keep their default effect: they end the process.
        _ => std::future::pending().await,
    }
}
