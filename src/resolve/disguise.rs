//! Targets that are live: a copy for the very Pods that answer the request itself is no shadow.
//!
//! | The target port | | |
//! |---|---|---|
//! | is of the destination's own Service | cut (when claims are settled) | each request would arrive twice |
//! | has the [place](super::places) of one of the destination's ports | cut | so it would |
//! | is a subset of such a port, or of the destination's own Service | cut | the destination is all of its Pods, those of the subset too: each of them is sent its share of the requests, and would get a copy of all, its own included |
//! | has the destination's Pods on another port, or only some of them, or more than them | told | copies take of the live Pods' time, but another server may answer them, and who shares in live traffic may be the one to be tried |
//! | has endpoints in common with the destination, whatever selectors say | told | endpoints come and go: see [places](super::places) |
//!
//! What is cut is cut for all callers: it does not depend on who they are.

use std::collections::BTreeMap;

use super::claims::{Claim, PluginClaims};
use super::places::Places;
use super::services::{Services, UsedService};
use crate::api::meta::has_all;
use crate::diag::{Code, Diagnostic, Report};
use crate::model::Backend;
use crate::name::Namespaced;

/// Takes the mirrors away that lead back to their own destination, and tells of those that come near it.
pub(super) fn uncover(
    claims: &mut BTreeMap<&str, PluginClaims<'_>>,
    services: &Services<'_>,
    places: &Places<'_>,
    report: &mut Report,
) {
    let all = claims.values_mut().flatten();
    for (destination, claim) in all {
        let Some((mirror, service)) = claim.mirror.as_ref().zip(services.get(destination)) else {
            continue;
        };
        let Some(target) = mirror.target.backend() else {
            continue;
        };
        let mut own = places.of(destination).iter().map(|(_, place)| Some(*place));
        let [here, around] = [places.at(target), places.around(target)];
        if own.any(|place| place == here || place == around) {
            report.push(disguised(destination, target, services, claim));
            claim.mirror = None;
        } else if let Some(how) = shared(destination, service, target, services) {
            report.push(
                Diagnostic::new(
                    Code::TargetShared,
                    claim.origin,
                    claim.path.clone(),
                    how,
                )
                .effect("copies reach Pods that answer live requests, and take of their time")
                .help("give the live Pods and the shadow's each a label of their own, such as `version`, and the Services selectors for it"),
            );
        }
    }
}

fn disguised(
    destination: &Namespaced,
    target: &Backend,
    services: &Services<'_>,
    claim: &Claim<'_>,
) -> Diagnostic {
    let by_selector = services
        .get(&target.service)
        .and_then(UsedService::selector);
    let is_part = !target.subset.is_all();
    let what = match by_selector {
        Some(_) if is_part => "is some of the same Pods, on the same port",
        Some(_) => "selects the same Pods, on the same port",
        None if is_part => "is some of the same endpoints",
        None => "has the same endpoints",
    };
    let message = format!(
        "`{destination}` is mirrored to itself: `{}:{}{}` {what}",
        target.service, target.port, target.subset
    );
    Diagnostic::new(Code::SelfDisguised, claim.origin, claim.path.clone(), message)
        .effect("nothing is mirrored, or they would get every request twice; primary traffic is not affected")
        .help("name a target with Pods of its own, or take the destination out")
}

/// How the target shares Pods with the destination, if it does.
fn shared(
    destination: &Namespaced,
    service: &UsedService<'_>,
    target: &Backend,
    services: &Services<'_>,
) -> Option<String> {
    let name = format!("{}{}", target.service, target.subset);
    let labels = services.get(&target.service)?.labels_of(&target.subset);
    if let Some((live, shadow)) = service.selector().zip(labels.as_deref())
        && target.service.namespace == destination.namespace
    {
        if live == shadow {
            return Some(format!(
                "the target `{name}` selects the Pods of the destination `{destination}`, on another port"
            ));
        }
        if has_all(shadow, live) {
            return Some(format!(
                "the destination `{destination}` selects all Pods of its target `{name}`"
            ));
        }
        if has_all(live, shadow) {
            return Some(format!(
                "the target `{name}` selects all Pods of the destination `{destination}`"
            ));
        }
    }
    let mut ports = service.http_ports();
    ports
        .any(|port| meet(&port.endpoints, &target.endpoints))
        .then(|| {
            format!(
                "endpoints of the target `{}:{}{}` are endpoints of the destination `{destination}`",
                target.service, target.port, target.subset
            )
        })
}

/// Whether two sorted lists have something in common: as many searches in the longer as the shorter has entries.
fn meet<T: Ord>(one: &[T], other: &[T]) -> bool {
    let (few, many) = match one.len() < other.len() {
        true => (one, other),
        false => (other, one),
    };
    few.iter().any(|entry| many.binary_search(entry).is_ok())
}

#[cfg(test)]
mod tests {
    use super::meet;

    #[test]
    fn lists_meet_if_they_have_anything_in_common() {
        for (one, other, expected) in [
            (vec![], vec![1], false),
            (vec![2], vec![1, 3], false),
            (vec![1, 3, 5, 7], vec![5], true),
            (vec![0, 7], vec![1, 3, 5, 7], true),
        ] {
            assert_eq!(meet(&one, &other), expected, "{one:?} {other:?}");
            assert_eq!(meet(&other, &one), expected, "{one:?} {other:?}");
        }
    }
}
