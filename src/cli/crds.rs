//! `mirrorplane crds`.

use std::process::ExitCode;

use super::output;
use super::output::Format;
use crate::crd::definitions;

/// Print the definitions of the kinds that are read, for `kubectl apply`
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mirrorplane crds | kubectl apply --server-side -f -
  mirrorplane crds -o json | jq -r '.items[].metadata.name'")]
pub(super) struct Args {
    /// The form of the output; text is YAML
    #[arg(long, short, value_enum, default_value_t = Format::Yaml)]
    output: Format,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let objects: Vec<_> = definitions()
        .into_iter()
        .map(|definition| definition.object)
        .collect();
    match args.output {
        Format::Json => {
            let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": objects});
            output::print_as(Format::Json, &list)?;
        }
        Format::Text | Format::Yaml => {
            for object in &objects {
                output::print("---")?;
                output::print_as(Format::Yaml, object)?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
