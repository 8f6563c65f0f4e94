//! Which plugins each node gets, through the chains that select it.

use std::collections::{BTreeMap, BTreeSet};

use super::nodes::Node;
use crate::diag::{Code, Diagnostic, FieldPath, Report};
use crate::dialect::{MirrorChain, NOTHING_MIRRORED, Selector};
use crate::name::Namespaced;
use crate::source::Objects;

/// The label that the API server gives every Namespace; known even where the Namespace is not.
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

/// The plugins of every node. Chains that select nobody, and those that depend on a Namespace that is not known, are
/// reported.
pub(super) fn plugins_by_node<'a>(
    nodes: &BTreeMap<&'a Namespaced, Node<'a>>,
    chains: &'a [MirrorChain<'a>],
    objects: &Objects,
    report: &mut Report,
) -> BTreeMap<&'a Namespaced, BTreeSet<&'a str>> {
    let mut by_namespace: BTreeMap<&str, NamespaceChains<'_>> = BTreeMap::new();
    let mut selecting = vec![false; chains.len()];
    let mut plugins_by_node = BTreeMap::new();
    for (name, node) in nodes {
        let namespace = name.namespace.as_str();
        let here = by_namespace
            .entry(namespace)
            .or_insert_with(|| NamespaceChains::new(namespace, chains, objects));
        let mut plugins = BTreeSet::new();
        for candidate in here.candidates(node.labels) {
            if candidate.is_for_the_unknown {
                here.doubtful.insert(candidate.index);
            }
            if candidate.selects_namespace {
                if let Some(selecting) = selecting.get_mut(candidate.index) {
                    *selecting = true;
                }
                plugins.extend(&candidate.chain.plugins);
            }
        }
        plugins_by_node.insert(*name, plugins);
    }
    for (namespace, here) in &by_namespace {
        for chain in here.doubtful.iter().filter_map(|index| chains.get(*index)) {
            report.push(namespace_unknown(chain, namespace));
        }
    }
    for (chain, selects) in chains.iter().zip(selecting) {
        if !selects && chain.selectors.is_some() {
            report.push(selects_nothing(chain));
        }
    }
    plugins_by_node
}

/// The chains that are for a namespace, to be found by the labels of a Pod: trying every chain on every Pod would cost
/// the product of both.
struct NamespaceChains<'a> {
    by_label: BTreeMap<(&'a str, &'a str), Vec<Candidate<'a>>>,
    for_any_label: Vec<Candidate<'a>>,
    /// The chains of which it matters here that the Namespace is not known.
    doubtful: BTreeSet<usize>,
}

#[derive(Clone, Copy)]
struct Candidate<'a> {
    index: usize,
    chain: &'a MirrorChain<'a>,
    pods: &'a Selector,
    selects_namespace: bool,
    is_for_the_unknown: bool,
}

impl<'a> NamespaceChains<'a> {
    fn new(namespace: &str, chains: &'a [MirrorChain<'a>], objects: &Objects) -> Self {
        let known = objects.namespaces.get(&Namespaced::cluster(namespace));
        let mut labels = known
            .map(|known| known.object.metadata.labels.clone())
            .unwrap_or_default();
        labels.insert(NAMESPACE_NAME.to_owned(), namespace.to_owned());
        let mut here = Self {
            by_label: BTreeMap::new(),
            for_any_label: Vec::new(),
            doubtful: BTreeSet::new(),
        };
        for (index, chain) in chains.iter().enumerate() {
            let Some(selectors) = &chain.selectors else {
                continue;
            };
            let candidate = Candidate {
                index,
                chain,
                pods: &selectors.pods,
                selects_namespace: selectors.namespaces.matches(&labels),
                is_for_the_unknown: known.is_none()
                    && selectors.namespaces.asks_beyond(NAMESPACE_NAME),
            };
            if candidate.selects_namespace || candidate.is_for_the_unknown {
                match selectors.pods.required_label() {
                    Some(label) => here.by_label.entry(label).or_default().push(candidate),
                    None => here.for_any_label.push(candidate),
                }
            }
        }
        here
    }

    /// The chains whose Pod selector matches, whether or not they are for this namespace.
    fn candidates(&self, labels: &BTreeMap<String, String>) -> Vec<Candidate<'a>> {
        let labelled = labels
            .iter()
            .filter_map(|(key, value)| self.by_label.get(&(key.as_str(), value.as_str())));
        let candidates = labelled.flatten().chain(&self.for_any_label);
        candidates
            .filter(|candidate| candidate.pods.matches(labels))
            .copied()
            .collect()
    }
}

fn namespace_unknown(chain: &MirrorChain<'_>, namespace: &str) -> Diagnostic {
    let path = FieldPath::of(MirrorChain::NAMESPACE_SELECTOR);
    let message = format!(
        "the labels of the namespace `{namespace}` are not known: there is no Namespace object"
    );
    Diagnostic::new(Code::NamespaceUnknown, chain.origin, path, message)
        .effect(format!(
            "it is taken to have no labels but `{NAMESPACE_NAME}`"
        ))
        .help("add the Namespace with its labels")
}

fn selects_nothing(chain: &MirrorChain<'_>) -> Diagnostic {
    let path = FieldPath::of("spec.selectors");
    let message = "the chain selects no workload";
    Diagnostic::new(Code::SelectsNothing, chain.origin, path, message)
        .effect(NOTHING_MIRRORED)
        .help("compare the selectors with the labels of the callers' Pods and of their Namespaces")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::Value;
    use serde_json::json;

    use super::plugins_by_node;
    use crate::diag::Report;
    use crate::dialect::fixture::{found, sourced};
    use crate::dialect::{MirrorChain, Plugins};
    use crate::name::Namespaced;
    use crate::resolve::nodes;
    use crate::source::Objects;

    /// Who gets the plugin through a chain with these selectors, and what is reported. The Pods are `curl/a` (app=curl)
    /// and `other/b` (app=web); only the namespace `curl` is known, and has the label mesh=osm.
    fn selected(selectors: Value) -> (Vec<String>, Vec<String>) {
        let mut objects = Objects::default();
        let namespace = sourced(json!({"metadata": {"name": "curl", "labels": {"mesh": "osm"}}}));
        objects
            .namespaces
            .insert(Namespaced::cluster("curl"), namespace);
        for (namespace, name, app) in [("curl", "a", "curl"), ("other", "b", "web")] {
            let pod = sourced(json!({"metadata": {"labels": {"app": app}}}));
            objects.pods.insert(Namespaced::new(namespace, name), pod);
        }
        let chain = sourced(json!({"metadata": {}, "spec": {
            "chains": [{"name": "outbound-http", "plugins": ["p"]}], "selectors": selectors,
        }}));
        let mut report = Report::default();
        let known = Plugins::default();
        let chains: Vec<_> = MirrorChain::read(&chain, &known, &mut Report::default())
            .into_iter()
            .collect();
        let nodes = nodes::read(&objects, "127.0.0.1:1".parse().unwrap(), &mut report);
        let plugins: BTreeMap<_, _> = plugins_by_node(&nodes, &chains, &objects, &mut report);
        let with = plugins.iter().filter(|(_, plugins)| plugins.contains("p"));
        (
            with.map(|(name, _)| name.to_string()).collect(),
            found(&report),
        )
    }

    #[test]
    fn both_selectors_have_to_match_and_an_absent_one_does() {
        let unknown = "NamespaceUnknown spec.selectors.namespaceSelector";
        let nothing = "SelectsNothing spec.selectors";
        let in_values = |key: &str, values: &[&str]| json!({"matchExpressions": [{"key": key, "operator": "In", "values": values}]});
        for (selectors, nodes, found) in [
            (json!({}), vec!["curl/a", "other/b"], vec![]),
            (
                json!({"podSelector": {}, "namespaceSelector": {}}),
                vec!["curl/a", "other/b"],
                vec![],
            ),
            (
                json!({"podSelector": {"matchLabels": {"app": "web"}}}),
                vec!["other/b"],
                vec![],
            ),
            (
                json!({"podSelector": in_values("app", &["web", "curl"])}),
                vec!["curl/a", "other/b"],
                vec![],
            ),
            (
                json!({"podSelector": in_values("app", &["curl"])}),
                vec!["curl/a"],
                vec![],
            ),
            (
                json!({"podSelector": {"matchLabels": {"app": "curl"}}, "namespaceSelector": in_values("mesh", &["osm"])}),
                vec!["curl/a"],
                vec![],
            ),
            (
                json!({"namespaceSelector": {"matchLabels": {"mesh": "osm"}}}),
                vec!["curl/a"],
                vec![unknown],
            ),
            (
                json!({"podSelector": {"matchLabels": {"app": "web"}}, "namespaceSelector": {"matchLabels": {"mesh": "osm"}}}),
                vec![],
                vec![unknown, nothing],
            ),
            (
                json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "other"}}}),
                vec!["other/b"],
                vec![],
            ),
            (
                json!({"podSelector": {"matchLabels": {"app": "none"}}}),
                vec![],
                vec![nothing],
            ),
            (
                json!({"podSelector": {"matchExpressions": [{"key": "app", "operator": "Has"}]}}),
                vec![],
                vec![],
            ),
        ] {
            let (selected, reported) = selected(selectors.clone());
            assert_eq!(selected, nodes, "{selectors}");
            assert_eq!(reported, found, "{selectors}");
        }
    }
}
