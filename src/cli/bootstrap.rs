//! `mirrorplane bootstrap`.

use std::net::SocketAddr;
use std::process::ExitCode;

use super::delivery;
use super::output;
use super::output::Format;
use crate::name::Namespaced;
use crate::sidecar::Bootstrap;
use crate::sidecar::ControlPlane;

/// The cluster that sidecars say they belong to; Envoy wants one, for its statistics.
const NODE_CLUSTER: &str = "mirrorplane";

/// Print an Envoy bootstrap, which the shim reads too
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mirrorplane bootstrap --node curl/curl > bootstrap.yaml
  envoy -c bootstrap.yaml
  mirrorplane shim --bootstrap bootstrap.yaml")]
pub(super) struct Args {
    /// The Pod or workload that the sidecar belongs to
    #[arg(long, value_name = "NAMESPACE/NAME")]
    node: Namespaced,
    /// Where `mirrorplane serve` listens
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:15128")]
    control_plane: ControlPlane,
    /// Where the sidecar's admin page listens; without it there is none
    #[arg(long, value_name = "IP:PORT")]
    admin: Option<SocketAddr>,
    /// Incremental xDS instead of state-of-the-world
    #[arg(long)]
    delta: bool,
    /// Form of the output; text is YAML
    #[arg(long, short, value_enum, default_value_t = Format::Yaml)]
    output: Format,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let bootstrap = Bootstrap {
        node_id: args.node.to_string(),
        node_cluster: NODE_CLUSTER.to_owned(),
        control_plane: args.control_plane.clone(),
        delivery: delivery(args.delta),
        admin: args.admin,
    };
    output::print_as(args.output, &bootstrap.to_json())?;
    Ok(ExitCode::SUCCESS)
}
