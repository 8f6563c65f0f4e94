//! Which plugins each node gets, through the chains that select it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::by_label::ByLabel;
use super::nodes::Node;
use crate::api::core::NAMESPACE_NAME;
use crate::diag::{Code, Diagnostic, FieldPath, Report};
use crate::dialect::{MirrorChain, NOTHING_MIRRORED};
use crate::name::Namespaced;
use crate::source::Objects;

/// Which plugins the nodes get. There are many nodes, and few sets of plugins.
pub(super) struct Reach<'a> {
    /// The sets of plugins that nodes get, none twice.
    pub(super) sets: Vec<BTreeSet<&'a str>>,
    /// For each node, in the order of the nodes, which of `sets` it gets.
    pub(super) by_node: Vec<usize>,
}

/// The plugins of every node. Chains that select nobody, and those that depend on a Namespace that is not known, are
/// reported.
pub(super) fn reach<'a>(
    nodes: &[Node<'a>],
    chains: &'a [MirrorChain<'a>],
    objects: &Objects,
    report: &mut Report,
) -> Reach<'a> {
    let chains = Chains::new(chains);
    let mut by_namespace: BTreeMap<&str, ByLabel<'_, Candidate>> = BTreeMap::new();
    let mut doubtful = BTreeSet::new();
    let mut sets: BTreeMap<BTreeSet<&str>, usize> = BTreeMap::new();
    // The set of each combination of chains that is met.
    let mut combinations: HashMap<Vec<usize>, usize> = HashMap::new();
    let mut combination = Vec::new();
    let mut by_node = Vec::with_capacity(nodes.len());
    for node in nodes {
        let namespace = node.name.namespace.as_str();
        let here = by_namespace
            .entry(namespace)
            .or_insert_with(|| chains.of_namespace(namespace, objects));
        combination.clear();
        for candidate in here.matching(node.labels) {
            if candidate.is_doubtful {
                doubtful.insert((candidate.index, namespace));
            }
            if candidate.selects_namespace {
                combination.push(candidate.index);
            }
        }
        combination.sort_unstable();
        let known = combinations.get(combination.as_slice()).copied();
        by_node.push(known.unwrap_or_else(|| {
            let added = sets.len();
            let set = *sets.entry(chains.plugins(&combination)).or_insert(added);
            combinations.insert(combination.clone(), set);
            set
        }));
    }
    let selecting: BTreeSet<usize> = combinations.into_keys().flatten().collect();
    for (index, chain) in chains.all.iter().enumerate() {
        let unknown = doubtful.range((index, "")..(index + 1, ""));
        for (_, namespace) in unknown {
            report.push(namespace_unknown(chain, namespace));
        }
        if !selecting.contains(&index) && chain.selectors.is_some() {
            report.push(selects_nothing(chain));
        }
    }
    let mut sets: Vec<_> = sets.into_iter().collect();
    sets.sort_unstable_by_key(|(_, index)| *index);
    Reach {
        sets: sets.into_iter().map(|(set, _)| set).collect(),
        by_node,
    }
}

/// All chains, to be found by the labels of a Namespace.
struct Chains<'a> {
    all: &'a [MirrorChain<'a>],
    by_namespace: ByLabel<'a, usize>,
}

/// A chain that may be for a namespace.
struct Candidate {
    index: usize,
    selects_namespace: bool,
    /// Whether it might be otherwise if the Namespace were known.
    is_doubtful: bool,
}

impl<'a> Chains<'a> {
    fn new(all: &'a [MirrorChain<'a>]) -> Self {
        let mut by_namespace = ByLabel::default();
        for (index, chain) in all.iter().enumerate() {
            if let Some(selectors) = &chain.selectors {
                by_namespace.add(&selectors.namespaces, index);
            }
        }
        Self { all, by_namespace }
    }

    /// The plugins of some of them.
    fn plugins(&self, of: &[usize]) -> BTreeSet<&'a str> {
        let chains = of.iter().filter_map(|index| self.all.get(*index));
        chains.flat_map(|chain| &chain.plugins).copied().collect()
    }

    /// The chains that are, or might be, for a namespace, to be found by the labels of a Pod.
    fn of_namespace(&self, namespace: &str, objects: &Objects) -> ByLabel<'a, Candidate> {
        let known = objects.namespaces.get(&Namespaced::cluster(namespace));
        let mut labels = known
            .map(|known| known.object.metadata.labels.clone())
            .unwrap_or_default();
        labels.insert(NAMESPACE_NAME.to_owned(), namespace.to_owned());
        let selecting: BTreeSet<_> = self.by_namespace.matching(&labels).copied().collect();
        let mut here = ByLabel::default();
        let mut add = |index: usize, is_doubtful| {
            let selectors = self
                .all
                .get(index)
                .and_then(|chain| chain.selectors.as_ref());
            if let Some(selectors) = selectors {
                let candidate = Candidate {
                    index,
                    selects_namespace: selecting.contains(&index),
                    is_doubtful: is_doubtful && selectors.namespaces.asks_beyond(NAMESPACE_NAME),
                };
                if candidate.selects_namespace || candidate.is_doubtful {
                    here.add(&selectors.pods, candidate);
                }
            }
        };
        match known {
            Some(_) => selecting.iter().for_each(|index| add(*index, false)),
            None => (0..self.all.len()).for_each(|index| add(index, true)),
        }
        here
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

    use super::reach;
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
        let captures = nodes::Captures {
            kept: &BTreeMap::new(),
            default: "127.0.0.1:1".parse().unwrap(),
        };
        let nodes = nodes::read(&objects, captures, &mut report);
        let reach = reach(&nodes, &chains, &objects, &mut report);
        let with = nodes.iter().zip(&reach.by_node);
        let with = with.filter(|(_, set)| reach.sets[**set].contains("p"));
        (
            with.map(|(node, _)| node.name.to_string()).collect(),
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
