//! What a large cluster costs the control plane: time to be ready, memory, and CPU for a change. benches/README.md says
//! more.

#![expect(clippy::print_stdout, reason = "the table")]
#![expect(clippy::print_stderr, reason = "progress")]
#![expect(
    clippy::unwrap_used,
    reason = "the rig of the tests: what cannot go on has failed"
)]

mod fill;
#[expect(dead_code, reason = "the tests need more of it")]
#[path = "../../tests/kube/source/mesh.rs"]
mod mesh;
#[expect(dead_code, unused_imports, reason = "the tests need more of it")]
#[path = "../../tests/kube/rig/mod.rs"]
mod rig;
mod server;

use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use serde_json::Value;
use serde_json::json;
use tokio::time::sleep;

use self::fill::Fill;
use self::rig::Cluster;
use self::rig::Parts;
use self::server::Server;

/// What a large cluster costs the control plane
#[derive(Debug, Parser)]
struct Args {
    /// Pods, all of them callers
    #[arg(long, default_value_t = 10_000)]
    pods: usize,
    /// Services, with an EndpointSlice each
    #[arg(long, default_value_t = 2_000)]
    services: usize,
    /// PluginConfigs, with two of the Services each
    #[arg(long, default_value_t = 500)]
    rules: usize,
    /// Changes of each sort
    #[arg(long, default_value_t = 20)]
    changes: usize,
    /// What `cargo bench` says
    #[arg(long, hide = true)]
    bench: bool,
}

/// How long after a change everything is done: quiet for the source to gather changes, and the work itself.
const SETTLES: Duration = Duration::from_millis(600);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let cluster = Cluster::own(Parts::Api)
        .await
        .context("KUBEBUILDER_ASSETS is not set")?;
    cluster.apply_crds(&mesh::plugin_crds()).await;
    cluster.apply_crds(&mesh::mesh_config_crd()).await;
    let fill = Fill::new(cluster.client().await);
    eprintln!("filling the cluster");
    fill.all(&args).await?;

    let server = Server::start(&cluster).await?;
    println!(
        "ready          {:.2} s, CPU {:.2} s, resident {:.1} MiB (at most {:.1})",
        server.ready_after.as_secs_f64(),
        server.cpu()?,
        server.memory("VmRSS:")?,
        server.memory("VmHWM:")?,
    );
    let before = server.cpu()?;
    sleep(Duration::from_secs(10)).await;
    let idle = (server.cpu()? - before) / 10.0;
    println!("idle           CPU {:.2} ms/s", 1e3 * idle);
    for change in Change::ALL {
        let (before, generation) = (server.cpu()?, server.built().await?);
        for turn in 0..args.changes {
            let (path, patch) = change.patch(turn);
            fill.patch(path, &patch).await?;
            sleep(SETTLES).await;
        }
        let built = server.built().await?;
        let changes = args.changes as f64;
        let cpu = server.cpu()? - before - idle * changes * SETTLES.as_secs_f64();
        println!(
            "{:<14} CPU {:.1} ms a change, of which {:.1} ms to resolve, translate and encode; {} loads for {} changes",
            change.name(),
            1e3 * cpu / changes,
            1e3 * (built.seconds - generation.seconds) / (built.loads - generation.loads).max(1.0),
            built.loads - generation.loads,
            args.changes,
        );
    }
    println!(
        "in the end     resident {:.1} MiB (at most {:.1})",
        server.memory("VmRSS:")?,
        server.memory("VmHWM:")?,
    );
    Ok(())
}

/// What is changed.
#[derive(Clone, Copy, Debug)]
enum Change {
    Percentage,
    Label,
    Endpoints,
    Unread,
}

impl Change {
    const ALL: [Self; 4] = [Self::Percentage, Self::Label, Self::Endpoints, Self::Unread];

    fn name(self) -> &'static str {
        match self {
            Self::Percentage => "a percentage",
            Self::Label => "a Pod's label",
            Self::Endpoints => "an endpoint",
            Self::Unread => "a Pod's status",
        }
    }

    /// The object, and what becomes of it.
    fn patch(self, turn: usize) -> (&'static str, Value) {
        match self {
            Self::Percentage => (
                "/apis/plugin.flomesh.io/v1alpha1/namespaces/shop/pluginconfigs/mirror-7",
                json!({"spec": {"config": {"percentage": {"value": 0.1 + 0.01 * turn as f64}}}}),
            ),
            Self::Label => (
                "/api/v1/namespaces/callers/pods/caller-7",
                json!({"metadata": {"labels": {"turn": turn.to_string()}}}),
            ),
            Self::Endpoints => (
                "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices/service-7",
                json!({"endpoints": [{"addresses": [format!("10.9.9.{}", 1 + turn % 200)]}]}),
            ),
            Self::Unread => (
                "/api/v1/namespaces/callers/pods/caller-7/status",
                json!({"status": {"message": turn.to_string()}}),
            ),
        }
    }
}
