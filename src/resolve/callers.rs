//! Who calls: the nodes, by what tells apart what they are told. There may be ten thousand in a handful of classes, and
//! most changes are of something else: what was found is kept until there is something else to look at.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::sync::Arc;

use super::nodes;
use super::nodes::Captures;
use super::reach::reach;
use super::unchanged::or_as_before;
use crate::diag::Report;
use crate::dialect::MirrorChain;
use crate::model::Capture;
use crate::name::Namespaced;
use crate::source::Objects;

/// All nodes, and what there is to say about them and about the chains that select them.
#[derive(Debug)]
pub(super) struct Callers {
    from: From,
    /// The sets of plugins that nodes get, none twice.
    pub(super) sets: Vec<BTreeSet<String>>,
    /// What there is of nodes, none twice.
    pub(super) classes: Vec<Class>,
    /// For each node, in the order of the names, which of `classes` it is.
    pub(super) by_node: Vec<usize>,
    /// How the sidecars of those capture that were asked for something.
    pub(super) captures: Arc<BTreeMap<Namespaced, Capture>>,
    /// What there is to say.
    pub(super) report: Report,
}

/// What nodes may have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Class {
    /// How their sidecars capture requests.
    pub(super) capture: Capture,
    /// Where they are.
    pub(super) namespace: String,
    /// Which of the sets of plugins they get.
    pub(super) set: usize,
}

/// All that [`Callers`] are made of. Chains are made of PluginChains and Plugins.
#[derive(Debug)]
struct From {
    /// Only of the kinds that matter here.
    objects: Objects,
    captures: Arc<BTreeMap<Namespaced, Capture>>,
    default: Capture,
}

impl From {
    fn new(
        objects: &Objects,
        captures: &Arc<BTreeMap<Namespaced, Capture>>,
        default: Capture,
    ) -> Self {
        let objects = Objects {
            namespaces: objects.namespaces.clone(),
            pods: objects.pods.clone(),
            workloads: objects.workloads.clone(),
            plugins: objects.plugins.clone(),
            plugin_chains: objects.plugin_chains.clone(),
            ..Objects::default()
        };
        let captures = Arc::clone(captures);
        Self {
            objects,
            captures,
            default,
        }
    }

    /// Whether it is the very same, without a look at what it holds.
    fn is(&self, other: &Self) -> bool {
        let (one, two) = (&self.objects, &other.objects);
        self.default == other.default
            && Arc::ptr_eq(&self.captures, &other.captures)
            && one.namespaces.is(&two.namespaces)
            && one.pods.is(&two.pods)
            && one.workloads.is(&two.workloads)
            && one.plugins.is(&two.plugins)
            && one.plugin_chains.is(&two.plugin_chains)
    }
}

impl Callers {
    /// The nodes among the objects, given the chains among them: `last` if that was made of the same.
    pub(super) fn find(
        objects: &Objects,
        chains: &[MirrorChain<'_>],
        captures: &Arc<BTreeMap<Namespaced, Capture>>,
        default: Capture,
        last: Option<&Arc<Self>>,
    ) -> Arc<Self> {
        let from = From::new(objects, captures, default);
        if let Some(last) = last.filter(|last| last.from.is(&from)) {
            return Arc::clone(last);
        }
        let mut report = Report::default();
        let kept = Captures {
            kept: captures,
            default,
        };
        let nodes = nodes::read(objects, kept, &mut report);
        let reach = reach(&nodes, chains, objects, &mut report);
        let mut classes: HashMap<(Capture, &str, usize), usize> = HashMap::new();
        let by_node = nodes.iter().zip(&reach.by_node).map(|(node, set)| {
            let added = classes.len();
            let class = (node.capture, node.name.namespace.as_str(), *set);
            *classes.entry(class).or_insert(added)
        });
        let by_node = by_node.collect();
        let mut classes: Vec<_> = classes.into_iter().collect();
        classes.sort_unstable_by_key(|(_, index)| *index);
        let classes = classes
            .into_iter()
            .map(|((capture, namespace, set), _)| Class {
                capture,
                namespace: namespace.to_owned(),
                set,
            });
        let sets = reach
            .sets
            .iter()
            .map(|set| set.iter().map(|plugin| (*plugin).to_owned()).collect());
        let asked = nodes.iter().filter(|node| node.asked);
        let asked = asked.map(|node| (node.name, node.capture)).collect();
        Arc::new(Self {
            sets: sets.collect(),
            classes: classes.collect(),
            by_node,
            captures: or_as_before(asked, captures),
            report,
            from,
        })
    }

    /// The names of all nodes, sorted.
    pub(super) fn names(&self) -> Vec<&Namespaced> {
        nodes::names(&self.from.objects)
    }
}
