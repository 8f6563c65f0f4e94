//! Who gets copies: the nodes whose Pods are behind the target of some mirror.
//!
//! They may be callers as well, where a chain selects whole namespaces. A shadow that calls on in answer to a copy does so
//! without the copy's mark; were that copied to the shadow again, it would go on for ever. So whoever is behind a target gets
//! no mirror to that target. By the selector of the target's Service, as [places](super::places) are: a Service without one
//! does not say which Pods it has.

use std::collections::BTreeMap;

use super::claims::{Claim, PluginClaims};
use super::graph::Findings;
use super::services::{Services, UsedService};
use crate::diag::Code;
use crate::name::Namespaced;

/// The Services that get copies, with the labels of their Pods, if they say.
pub(super) type Targets<'a> = BTreeMap<&'a Namespaced, &'a BTreeMap<String, String>>;

/// The targets of all mirrors, switched on or not.
pub(super) fn targets<'a>(
    claims: &'a BTreeMap<&str, PluginClaims<'a>>,
    services: &'a Services<'_>,
) -> Targets<'a> {
    let claims = claims.values().flat_map(BTreeMap::values);
    let mirrors = claims.filter_map(|claim| claim.mirror.as_ref());
    let services = mirrors.filter_map(|mirror| {
        let name = &mirror.target.backend()?.service;
        let labels = services.get(name).and_then(UsedService::selector);
        labels.map(|labels| (name, labels))
    });
    services.collect()
}

/// A target, and the labels of its Pods.
type Target<'a> = (&'a Namespaced, &'a BTreeMap<String, String>);

/// Targets, to be found by the labels of a Pod: by namespace and one of the labels that each asks for.
pub(super) struct Behind<'a>(BTreeMap<(&'a str, &'a str, &'a str), Vec<Target<'a>>>);

impl<'a> Behind<'a> {
    /// These targets.
    pub(super) fn new(targets: &Targets<'a>) -> Self {
        let mut filed: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (name, labels) in targets {
            if let Some((key, value)) = labels.iter().next() {
                let key = (name.namespace.as_str(), key.as_str(), value.as_str());
                filed.entry(key).or_default().push((*name, *labels));
            }
        }
        Self(filed)
    }

    /// Those that Pods with these labels are behind, sorted.
    pub(super) fn of(
        &self,
        namespace: &str,
        labels: &BTreeMap<String, String>,
    ) -> Vec<&'a Namespaced> {
        let filed = labels
            .iter()
            .filter_map(|(key, value)| self.0.get(&(namespace, key, value)));
        let matching = filed.flatten().filter(|(_, asked)| {
            let mut asked = asked.iter();
            asked.all(|(key, value)| labels.get(key) == Some(value))
        });
        let mut names: Vec<_> = matching.map(|(name, _)| *name).collect();
        names.sort_unstable();
        names
    }
}

/// Says that a destination's claim is not for those who are behind its own target.
pub(super) fn report<'a>(
    destination: &'a Namespaced,
    claim: &'a Claim<'a>,
    findings: &mut Findings<'a>,
) {
    let target = claim.mirror.as_ref().and_then(|one| one.target.backend());
    let Some(target) = target.map(|backend| &backend.service) else {
        return;
    };
    findings.add(
        (destination, claim),
        Code::OwnCalls,
        format!("some of the callers that are to mirror to `{target}` are behind it themselves"),
        format!(
            "what they ask of `{destination}` is not copied to themselves, or a call that answers a copy would be copied again, and so on"
        ),
        "",
    );
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::Behind;
    use crate::name::Namespaced;

    #[test]
    fn pods_are_behind_a_service_of_their_namespace_if_they_have_all_its_labels() {
        let labels = |text: &str| -> BTreeMap<String, String> {
            let pairs = text
                .split_whitespace()
                .map(|pair| pair.split_once('=').unwrap());
            pairs
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect()
        };
        let services = [
            ("n", "all", "app=x"),
            ("n", "v2", "app=x v=2"),
            ("m", "all", "app=x"),
        ]
        .map(|(namespace, name, selector)| (Namespaced::new(namespace, name), labels(selector)));
        let targets = services
            .iter()
            .map(|(name, labels)| (name, labels))
            .collect();
        let behind = Behind::new(&targets);
        for (namespace, pod, expected) in [
            ("n", "app=x v=2 z=1", vec!["n/all", "n/v2"]),
            ("n", "app=x v=1", vec!["n/all"]),
            ("m", "app=x v=2", vec!["m/all"]),
            ("n", "v=2", vec![]),
            ("o", "app=x", vec![]),
        ] {
            let found = behind.of(namespace, &labels(pod));
            let found: Vec<_> = found.into_iter().map(ToString::to_string).collect();
            assert_eq!(found, expected, "{namespace} {pod}");
        }
    }
}
