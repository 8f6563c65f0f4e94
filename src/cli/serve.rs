//! `mirrorplane serve`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;

use anyhow::Context;
use anyhow::bail;
use tokio::net::TcpListener;
use tracing::info;

use crate::app;
use crate::resolve::Settings;
use crate::server::Stats;

/// Serve a folder of objects to sidecars over ADS
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mirrorplane serve --config-dir ./mesh
  mirrorplane serve --config-dir ./mesh --listen 127.0.0.1:18000 --log debug
  mirrorplane serve --config-dir ./mesh --admin 0.0.0.0:15014    metrics and probes for the network
  curl http://127.0.0.1:15014/metrics")]
pub(super) struct Args {
    /// Folder of YAML and JSON files; watched, with everything below it
    #[arg(long, env = "MIRRORPLANE_CONFIG_DIR", value_name = "DIR")]
    config_dir: PathBuf,
    /// Where sidecars connect
    #[arg(
        long,
        env = "MIRRORPLANE_LISTEN",
        value_name = "IP:PORT",
        default_value = "127.0.0.1:15128"
    )]
    listen: SocketAddr,
    /// Where a sidecar listens for its application, unless its Pod says otherwise (annotation mirrorplane.io/listen)
    #[arg(
        long,
        env = "MIRRORPLANE_SIDECAR_LISTEN",
        value_name = "IP:PORT",
        default_value = "127.0.0.1:15001"
    )]
    sidecar_listen: SocketAddr,
    /// Where operators ask for /metrics, /nodes, /livez and /readyz, in plain text and read only; `off` for nowhere
    #[arg(
        long,
        env = "MIRRORPLANE_ADMIN",
        value_name = "IP:PORT",
        default_value = "127.0.0.1:15014"
    )]
    admin: Admin,
    /// Allow plain text on an address that other machines can reach
    #[arg(long)]
    insecure_plaintext: bool,
}

/// Whether and where operators may ask.
#[derive(Clone, Copy, Debug)]
enum Admin {
    Off,
    At(SocketAddr),
}

impl FromStr for Admin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            _ => match text.parse() {
                Ok(address) => Ok(Self::At(address)),
                Err(error) => Err(format!("{error}; wanted IP:PORT or `off`")),
            },
        }
    }
}

impl Admin {
    async fn bind(self) -> anyhow::Result<Option<TcpListener>> {
        let Self::At(address) = self else {
            return Ok(None);
        };
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("cannot listen on {address}, the address of --admin"))?;
        info!(address = %listener.local_addr()?, "metrics and nodes");
        Ok(Some(listener))
    }
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    if !args.listen.ip().is_loopback() && !args.insecure_plaintext {
        bail!(
            "{} can be reached from other machines, and this server does not encrypt or authenticate; \
             listen on 127.0.0.1, or pass --insecure-plaintext if the network is yours alone",
            args.listen
        );
    }
    super::block_on(async {
        let listener = TcpListener::bind(args.listen)
            .await
            .with_context(|| format!("cannot listen on {}", args.listen))?;
        info!(address = %listener.local_addr()?, folder = %args.config_dir.display(), "serving");
        let config = app::Config {
            directory: args.config_dir,
            listener,
            settings: Settings {
                listen: args.sidecar_listen,
            },
            stats: Arc::new(Stats::default()),
            admin: args.admin.bind().await?,
        };
        app::run(config, super::asked_to_stop()).await?;
        info!("stopped");
        Ok(ExitCode::SUCCESS)
    })
}
