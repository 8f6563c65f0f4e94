//! Who gets copies: the nodes whose Pods are behind the target of some mirror.
//!
//! They may be callers as well, where a chain selects whole namespaces. A shadow that calls on in answer to a copy does so
//! without the copy's mark; were that copied to the shadow again, it would go on for ever. So whoever is behind a target gets
//! no mirror to that target. By the selector of the target's Service, as [places](super::places) are: a Service without one
//! does not say which Pods it has. Of a subset, they are those with its labels too.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::claims::{Claim, PluginClaims};
use super::graph::Findings;
use super::services::Services;
use crate::api::meta::has_all;
use crate::diag::Code;
use crate::model::Subset;
use crate::name::Namespaced;

/// What gets copies: a Service, and which of its Pods.
pub(super) type Shadow<'a> = (&'a Namespaced, &'a Subset);

/// What gets copies, with the labels of its Pods, of those that say.
pub(super) type Targets<'a> = BTreeMap<Shadow<'a>, Cow<'a, BTreeMap<String, String>>>;

/// The targets of all mirrors, switched on or not.
pub(super) fn targets<'a>(
    claims: &'a BTreeMap<&str, PluginClaims<'a>>,
    services: &'a Services<'_>,
) -> Targets<'a> {
    let claims = claims.values().flat_map(BTreeMap::values);
    let mirrors = claims.filter_map(|claim| claim.mirror.as_ref());
    let targets = mirrors.filter_map(|mirror| {
        let target = mirror.target.backend()?;
        let labels = services.get(&target.service)?.labels_of(&target.subset)?;
        Some(((&target.service, &target.subset), labels))
    });
    targets.collect()
}

/// A target, and the labels of its Pods.
type Target<'a> = (Shadow<'a>, &'a BTreeMap<String, String>);

/// Targets, to be found by the labels of a Pod: by namespace and one of the labels that each asks for.
pub(super) struct Behind<'a>(BTreeMap<(&'a str, &'a str, &'a str), Vec<Target<'a>>>);

impl<'a> Behind<'a> {
    /// These targets.
    pub(super) fn new(targets: &'a Targets<'_>) -> Self {
        let mut filed: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (shadow, labels) in targets {
            if let Some((key, value)) = labels.iter().next() {
                let namespace = shadow.0.namespace.as_str();
                let key = (namespace, key.as_str(), value.as_str());
                filed.entry(key).or_default().push((*shadow, &**labels));
            }
        }
        Self(filed)
    }

    /// Those that Pods with these labels are behind, sorted.
    pub(super) fn of(&self, namespace: &str, labels: &BTreeMap<String, String>) -> Vec<Shadow<'a>> {
        let filed = labels
            .iter()
            .filter_map(|(key, value)| self.0.get(&(namespace, key, value)));
        let matching = filed.flatten().filter(|(_, asked)| has_all(labels, asked));
        let mut shadows: Vec<_> = matching.map(|(shadow, _)| *shadow).collect();
        shadows.sort_unstable();
        shadows
    }
}

/// Says that a destination's claim is not for those who are behind its own target.
pub(super) fn report<'a>(
    destination: &'a Namespaced,
    claim: &'a Claim<'a>,
    findings: &mut Findings<'a>,
) {
    let target = claim.mirror.as_ref().and_then(|one| one.target.backend());
    let Some(target) = target.map(|one| format!("{}{}", one.service, one.subset)) else {
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
    use std::borrow::Cow;
    use std::collections::BTreeMap;

    use super::Behind;
    use crate::model::Subset;
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
        let (all, v3) = (Subset::default(), Subset(labels("v=3")));
        let part = labels("app=x v=3");
        let targets = services
            .iter()
            .map(|(name, labels)| ((name, &all), Cow::Borrowed(labels)))
            .chain([((&services[0].0, &v3), Cow::Borrowed(&part))])
            .collect();
        let behind = Behind::new(&targets);
        for (namespace, pod, expected) in [
            ("n", "app=x v=2 z=1", vec!["n/all", "n/v2"]),
            ("n", "app=x v=1", vec!["n/all"]),
            ("n", "app=x v=3", vec!["n/all", "n/all[v=3]"]),
            ("m", "app=x v=2", vec!["m/all"]),
            ("n", "v=2", vec![]),
            ("o", "app=x", vec![]),
        ] {
            let found = behind.of(namespace, &labels(pod));
            let found = found.into_iter();
            let found: Vec<_> = found
                .map(|(name, subset)| format!("{name}{subset}"))
                .collect();
            assert_eq!(found, expected, "{namespace} {pod}");
        }
    }
}
