//! `mirrorplane status`.

mod ask;
mod table;

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::SystemTime;

use super::output;
use super::output::Format;
use crate::admin::NodeList;
use crate::admin::State;
use crate::name::Namespaced;

/// Say which sidecars really have the newest configuration
///
/// Asks the admin address of `mirrorplane serve`. Exits with 0 if all connected sidecars are in sync and no roll-out is
/// tried or stopped, 1 if some are not or the one asked for is not connected, 2 if the control plane cannot be asked.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mirrorplane status
  mirrorplane status curl/curl --output yaml
  mirrorplane status --admin http://10.0.0.7:15014
  mirrorplane status --output json | jq -r '.nodes[] | select(.state != \"in_sync\") | .id'

A sidecar is `in sync` if it has accepted all it is to have, `pending` if something is still to be sent or answered, and
`rejected` if it refused a part of it; the reason is printed below the table, and so are changes that a few sidecars try
before the others, or that were stopped because these rejected them. `-` is a type it did not ask for. The number of the
configuration grows with every change of the folder that was loaded.")]
pub(super) struct Args {
    /// Only this sidecar
    #[arg(value_name = "NAMESPACE/NAME")]
    node: Option<Namespaced>,
    /// The admin address of the control plane
    #[arg(
        long,
        env = "MIRRORPLANE_ADMIN_URL",
        value_name = "URL",
        default_value = "http://127.0.0.1:15014"
    )]
    admin: http::Uri,
    /// Form of the list
    #[arg(long, short, value_enum, default_value_t = Format::Text)]
    output: Format,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut list: NodeList = super::block_on(ask::nodes(&args.admin))?;
    if let Some(node) = &args.node {
        let id = node.to_string();
        list.nodes.retain(|node| node.id == id);
        let groups: BTreeSet<_> = list.nodes.iter().filter_map(|n| n.group.as_ref()).collect();
        list.rollouts.retain(|one| groups.contains(&one.group));
    }
    match args.output {
        Format::Text if list.nodes.is_empty() && list.rollouts.is_empty() => {}
        Format::Text => output::print(table::Table::new(&list, SystemTime::now()))?,
        format => output::print_as(format, &list)?,
    }
    let count = |state| list.nodes.iter().filter(|n| n.state == state).count();
    let (pending, rejected) = (count(State::Pending), count(State::Rejected));
    let missing = match &args.node {
        Some(node) if list.nodes.is_empty() => {
            output::talk(format_args!("{node} is not connected"));
            true
        }
        _ => {
            output::talk(format_args!(
                "configuration {}: {} sidecars connected, {pending} pending, {rejected} rejected",
                list.generation,
                list.nodes.len(),
            ));
            false
        }
    };
    Ok(if missing || pending + rejected + list.rollouts.len() > 0 {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
