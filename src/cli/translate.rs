//! `mirrorplane translate`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use anyhow::bail;

use super::capture::CaptureMode;
use super::output;
use super::output::Format;
use crate::name::Namespaced;
use crate::pipeline::Pipeline;
use crate::snapshot::to_json;
use crate::source;

/// Print what a sidecar would be sent, offline
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mirrorplane translate ./mesh --node curl/curl
  mirrorplane translate ./mesh --node curl/curl --output json | jq '.routes[].virtual_hosts[].name'")]
pub(super) struct Args {
    /// Folder of YAML and JSON files
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// A Pod or a workload (Deployment, StatefulSet, DaemonSet)
    #[arg(long, value_name = "NAMESPACE/NAME")]
    node: Namespaced,
    /// How sidecars get hold of their applications' requests, unless a Pod says otherwise
    #[arg(long, value_enum, default_value_t = CaptureMode::Explicit)]
    capture: CaptureMode,
    /// Form of the output; text is YAML
    #[arg(long, short, value_enum, default_value_t = Format::Yaml)]
    output: Format,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let folder = source::open(&args.directory)
        .with_context(|| format!("cannot read {}", args.directory.display()))?;
    let step = Pipeline::new(args.capture.settings()).step(&folder.objects);
    output::ensure_served(&step)?;
    for diagnostic in folder.report.iter().chain(&step.report) {
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
