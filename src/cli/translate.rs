//! `mirrorplane translate`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;

use super::input::Cluster;
use super::input::Input;
use super::output;
use super::output::Format;
use crate::name::Namespaced;
use crate::pipeline::Pipeline;
use crate::resolve::Settings;
use crate::snapshot::to_json;

/// Print what a sidecar would be sent
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mirrorplane translate ./mesh --node curl/curl
  mirrorplane translate --node curl/curl-5d9c             of the cluster
  mirrorplane translate ./mesh --node curl/curl --output json | jq '.routes[].virtual_hosts[].name'")]
pub(super) struct Args {
    /// Folder of YAML and JSON files; without it the objects of the cluster are read
    #[arg(value_name = "DIR", conflicts_with = "cluster")]
    directory: Option<PathBuf>,
    #[command(flatten)]
    cluster: Cluster,
    /// A Pod or a workload (Deployment, StatefulSet, DaemonSet)
    #[arg(long, value_name = "NAMESPACE/NAME")]
    node: Namespaced,
    /// Form of the output; text is YAML
    #[arg(long, short, value_enum, default_value_t = Format::Yaml)]
    output: Format,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let state = Input::new(args.directory.clone(), args.cluster.clone()).read()?;
    let step = Pipeline::new(Settings::default()).step(&state.objects);
    output::ensure_served(&step)?;
    for diagnostic in state.report.iter().chain(&step.report) {
        output::talk(diagnostic);
    }
    if !step
        .world
        .nodes
        .contains_key(args.node.to_string().as_str())
    {
        let known: Vec<String> = step.world.nodes.keys().map(ToString::to_string).collect();
        bail!(
            "no Pod or workload is called {}; there are: {}",
            args.node,
            known.join(", ")
        );
    }
    output::print_as(
        args.output,
        &to_json(&step.world.snapshot_for(&args.node.to_string()))?,
    )?;
    Ok(ExitCode::SUCCESS)
}
