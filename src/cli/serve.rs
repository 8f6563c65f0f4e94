//! `mirrorplane serve`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use anyhow::bail;
use tracing::info;

use super::capture::CaptureMode;
use super::input::Cluster;
use super::input::Input;
use super::place::Place;
use super::serve_rollout::Rollout;
use super::serve_security::Security;
use super::serve_status::Status;
use super::serve_webhook::Materials;
use super::serve_webhook::Webhooks;
use crate::admin;
use crate::app;
use crate::resolve::Settings;
use crate::server;
use crate::server::Stats;

/// Serve the objects of a cluster, or of a folder, to sidecars over ADS
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mirrorplane serve                                             what the Kubernetes API has
  mirrorplane serve --kubeconfig ./admin.conf --context staging
  mirrorplane serve --config-dir ./mesh
  mirrorplane serve --config-dir ./mesh --listen 127.0.0.1:18000 --log mirrorplane=debug
  mirrorplane serve --config-dir ./mesh --listen 0.0.0.0:15128 \\
    --tls-cert tls.crt --tls-key tls.key --tls-client-ca ca.crt
  mirrorplane serve --listen 0.0.0.0:15128 --token-review --certificates secret --webhook 0.0.0.0:15017
  mirrorplane serve --listen 0.0.0.0:15128 --tls-cert tls.crt --tls-key tls.key --token-review
  mirrorplane serve --config-dir ./mesh --canary-threshold 3 --canary-sidecars 1 --canary-timeout 10s
  mirrorplane serve --config-dir ./mesh --admin 0.0.0.0:15014    metrics and probes for the network
  curl http://127.0.0.1:15014/metrics")]
pub(super) struct Args {
    /// Folder of YAML and JSON files; watched, with everything below it. Without it the objects of the cluster are read
    #[arg(
        long,
        env = "MIRRORPLANE_CONFIG_DIR",
        value_name = "DIR",
        conflicts_with = "cluster"
    )]
    config_dir: Option<PathBuf>,
    #[command(flatten)]
    cluster: Cluster,
    /// Where sidecars connect
    #[arg(
        long,
        env = "MIRRORPLANE_LISTEN",
        value_name = "IP:PORT",
        default_value = "127.0.0.1:15128"
    )]
    listen: SocketAddr,
    /// How sidecars get hold of their applications' requests, unless a Pod says otherwise (annotation mirrorplane.io/listen)
    /// [default: explicit for a folder, transparent for the cluster]
    #[arg(long, env = "MIRRORPLANE_CAPTURE", value_enum)]
    capture: Option<CaptureMode>,
    /// Where a sidecar listens for its application with explicit capture, unless its Pod says otherwise
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
    admin: Place,
    #[command(flatten)]
    rollout: Rollout,
    #[command(flatten)]
    security: Security,
    #[command(flatten)]
    webhooks: Webhooks,
    #[command(flatten)]
    status: Status,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    args.security
        .check(args.listen, args.webhooks.has_certificates())?;
    super::block_on(async {
        let admin = args.admin.bind("--admin", "metrics and nodes").await?;
        let stats = Arc::new(Stats::default());
        // One for all that follows: a signal between two of them would be lost.
        let mut stop = Box::pin(super::asked_to_stop());
        let preparing = prepare(args, Arc::clone(&stats));
        let config = tokio::select! {
            config = admin::meanwhile(admin.as_ref(), stats, preparing) => Some(config?),
            () = &mut stop => None,
        };
        if let Some((config, certificates)) = config {
            tokio::select! {
                ended = app::run(app::Config { admin, ..config }, stop) => ended?,
                () = ended(certificates) => bail!("nobody keeps the certificates any more"),
            }
        }
        info!("stopped");
        Ok(ExitCode::SUCCESS)
    })
}

/// Binds, reads the files, and waits for what only the Kubernetes API has: for all but where operators ask, which does not
/// wait.
async fn prepare(
    args: Args,
    stats: Arc<Stats>,
) -> anyhow::Result<(app::Config, Option<Materials>)> {
    let input = Input::new(args.config_dir, args.cluster);
    let capture = args.capture.unwrap_or(input.default_capture());
    let source = input.source().await?;
    let listener =
        server::listen(args.listen).with_context(|| format!("cannot listen on {}", args.listen))?;
    info!(address = %listener.local_addr()?, objects = %input, "serving");
    let own = args.webhooks.certificates(&input).await?;
    let tls = own.as_ref().map(|own| own.tls.clone());
    if args.webhooks.is_on() && capture == CaptureMode::Explicit {
        bail!(
            "--webhook: the sidecars that it adds capture transparently; leave --capture explicit out"
        );
    }
    // The Kubernetes API has no certificate of a sidecar.
    let given = args.security.for_anyone().await?;
    let entrance = args.security.entrance(listener, &input, tls).await?;
    let namespace = args.webhooks.system_namespace().to_owned();
    let materials = own.as_ref().map(|own| own.materials.clone());
    let webhook = args.webhooks.webhook(&input, own, given);
    let config = app::Config {
        status: args.status.settings(&source, namespace),
        source,
        entrance,
        webhook: webhook.await?,
        settings: Settings {
            capture: capture.at(args.sidecar_listen),
        },
        rollout: args.rollout.settings(),
        stats,
        admin: None,
    };
    Ok((config, materials))
}

/// Waits until nobody keeps the certificates; for ever, if there are none to keep.
async fn ended(certificates: Option<Materials>) {
    match certificates {
        Some(mut certificates) => while certificates.changed().await.is_ok() {},
        None => std::future::pending().await,
    }
}
