//! `mirrorplane shim`.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use tracing::info;

use crate::shim::Bootstrap;
use crate::shim::Shim;

/// Run the minimal data plane: a sidecar that needs no Envoy
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mirrorplane bootstrap --node curl/curl > bootstrap.yaml
  mirrorplane shim --bootstrap bootstrap.yaml")]
pub(super) struct Args {
    /// An Envoy bootstrap, YAML or JSON
    #[arg(long, short = 'c', value_name = "FILE")]
    bootstrap: PathBuf,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let text = fs::read_to_string(&args.bootstrap)
        .with_context(|| format!("cannot read {}", args.bootstrap.display()))?;
    let bootstrap =
        Bootstrap::parse(&text).with_context(|| format!("in {}", args.bootstrap.display()))?;
    super::block_on(async {
        let shim = Shim::start(bootstrap)?;
        let announce = async {
            info!(address = %shim.listening().await, "ready");
            std::future::pending::<()>().await;
        };
        tokio::select! { () = announce => {}, () = super::asked_to_stop() => {} }
        shim.shutdown().await;
        Ok(ExitCode::SUCCESS)
    })
}
