//! A Pod that is to be made → what is to be added to it.

use super::review::Answer;
use super::review::Request;
use super::review::line;
use super::stats::Stats;
use crate::diag::ObjectRef;
use crate::diag::Origin;
use crate::name::Namespaced;
use crate::sidecar::inject::Home;
use crate::sidecar::inject::Outcome;
use crate::sidecar::inject::Settings;
use crate::sidecar::inject::Target;
use crate::sidecar::inject::inject;

/// Whether the question is whether a Pod may be made; all others are answered with yes.
pub(super) fn concerns(request: &Request) -> bool {
    request.operation == "CREATE"
        && (&*request.kind.group, &*request.kind.kind) == ("", "Pod")
        && request
            .sub_resource
            .as_deref()
            .unwrap_or_default()
            .is_empty()
}

/// The answer for a Pod of a namespace.
pub(super) fn mutate(request: &Request, home: &Home, settings: &Settings, stats: &Stats) -> Answer {
    let name = |key: &str| {
        request
            .object
            .pointer(&format!("/metadata/{key}"))?
            .as_str()
    };
    let name = name("name")
        .or_else(|| name("generateName"))
        .unwrap_or_default();
    let origin = Origin {
        object: Some(ObjectRef {
            kind: "Pod".to_owned(),
            name: Namespaced::new(home.name.clone(), name),
        }),
        document: None,
        within: Vec::new(),
    };
    let target = Target {
        object: &request.object,
        at: &[],
        origin: &origin,
    };
    match inject(&target, home, settings) {
        Ok(injection) => {
            let left = match &injection.outcome {
                Outcome::Left(reason) => Some(*reason),
                Outcome::Injected(_) => None,
            };
            stats.decided(left);
            tracing::debug!(pod = %Namespaced::new(home.name.clone(), name), ?left, "asked for a sidecar");
            Answer {
                patch: match injection.outcome {
                    Outcome::Injected(patch) => Some(patch),
                    Outcome::Left(_) => None,
                },
                warnings: injection
                    .warnings
                    .iter()
                    .map(|one| line(one, true))
                    .collect(),
                ..Answer::default()
            }
        }
        // A Pod without a sidecar works, and one that is not made again after an eviction does not.
        Err(wrong) => {
            let codes: Vec<_> = wrong.iter().map(|one| one.code.as_str()).collect();
            stats.misread(&Namespaced::new(home.name.clone(), name), &codes);
            Answer {
                warnings: wrong.iter().map(|one| line(one, true)).collect(),
                ..Answer::default()
            }
        }
    }
}
