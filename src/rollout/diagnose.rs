//! Roll-outs that were stopped, as diagnostics of the objects that they come from.

use super::blame::Culprit;
use super::blame::Lineage;
use super::board::Standing;
use super::status::Stage;
use super::status::Status;
use crate::diag::Code;
use crate::diag::Diagnostic;
use crate::diag::FieldPath;
use crate::diag::Origin;
use crate::source::Objects;

/// How many changed resources are named.
const NAMED: usize = 3;

/// What there is to say about the roll-outs: of each that was stopped one diagnostic for every object that its change
/// comes from, or one without an object if it comes from none.
pub fn diagnose(standing: &Standing, lineage: &Lineage, objects: &Objects) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    for rollout in &standing.rollouts {
        let Some(message) = message(rollout) else {
            continue;
        };
        let culprits = lineage.culprits(rollout);
        let origins = culprits.iter().filter_map(|culprit| match culprit {
            Culprit::Rule(name) => Some(&objects.plugin_configs.get(name)?.origin),
            Culprit::Service(name) => Some(&objects.services.get(name)?.origin),
        });
        let mut origins: Vec<_> = origins.collect();
        let nowhere = Origin {
            object: None,
            document: None,
            within: Vec::new(),
        };
        if origins.is_empty() {
            origins.push(&nowhere);
        }
        for origin in origins {
            let path = match origin.object {
                Some(_) => FieldPath::of("spec"),
                None => FieldPath::root(),
            };
            diagnostics.push(
                Diagnostic::new(Code::RolloutStopped, origin, path, message.clone())
                    .effect(effect(rollout))
                    .help(HELP),
            );
        }
    }
    diagnostics
}

const HELP: &str = "change the object: what is changed is tried again; if the sidecar is to blame, an older Envoy for \
                    example, replace it and restart the control plane, which then sends everything to everyone";

/// What happened; nothing while it is still tried.
fn message(rollout: &Status) -> Option<String> {
    let changes = changes(rollout);
    let tried = rollout.canaries.len();
    match &rollout.stage {
        Stage::Trying => None,
        Stage::Rejected(rejections) => {
            let first = rejections.first()?;
            Some(format!(
                "{} of {tried} canaries rejected the new {changes}; `{}` says: {}",
                rejections.len(),
                first.sidecar.node,
                first.message.trim(),
            ))
        }
        Stage::Lost => Some(format!(
            "all canaries were gone before they answered to the new {changes}, and so were those asked after them"
        )),
    }
}

fn effect(rollout: &Status) -> String {
    format!(
        "the roll-out is stopped: {} sidecars of the group `{}` keep their last good configuration, canaries included; \
         shares and endpoints still change at once; primary traffic is not affected",
        rollout.sidecars, rollout.group,
    )
}

/// `route `outbound``; the first few, if there are many.
fn changes(rollout: &Status) -> String {
    let names = rollout.changes.iter().take(NAMED);
    let names = names.map(|(ty, name)| format!("{} `{name}`", format!("{ty:?}").to_lowercase()));
    let names = names.collect::<Vec<_>>().join(", ");
    match rollout.changes.len().saturating_sub(NAMED) {
        0 => names,
        more => format!("{names} and {more} more"),
    }
}
