//! Who calls: the nodes, by what tells apart what they are told. There may be ten thousand in a handful of classes, and
//! most changes are of something else: what was found is kept until there is something else to look at.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::sync::Arc;

use super::behind::{Behind, Shadow, Targets};
use super::nodes;
use super::nodes::Captures;
use super::reach::reach;
use super::unchanged::or_as_before;
use crate::diag::Report;
use crate::dialect::MirrorChain;
use crate::model::{Capture, Subset};
use crate::name::Namespaced;
use crate::source::Objects;

/// All nodes, and what there is to say about them and about the chains that select them.
#[derive(Debug)]
pub(super) struct Callers {
    from: From,
    /// The sets of plugins that nodes get, none twice.
    pub(super) sets: Vec<BTreeSet<String>>,
    /// The sets of targets that nodes are behind, none twice.
    pub(super) behind: Vec<Vec<(Namespaced, Subset)>>,
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
    /// Which of the sets of targets they are behind.
    pub(super) behind: usize,
}

/// All that [`Callers`] are made of. Chains are made of PluginChains and Plugins.
#[derive(Debug)]
struct From {
    /// Only of the kinds that matter here.
    objects: Objects,
    captures: Arc<BTreeMap<Namespaced, Capture>>,
    default: Capture,
    targets: BTreeMap<(Namespaced, Subset), BTreeMap<String, String>>,
}

impl From {
    fn new(
        objects: &Objects,
        captures: &Arc<BTreeMap<Namespaced, Capture>>,
        default: Capture,
        targets: &Targets<'_>,
    ) -> Self {
        let targets = targets
            .iter()
            .map(|(shadow, labels)| (owned(*shadow), BTreeMap::clone(labels)));
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
            targets: targets.collect(),
        }
    }

    /// Whether it is the very same, without a look at what the objects hold.
    fn is(
        &self,
        objects: &Objects,
        captures: &Arc<BTreeMap<Namespaced, Capture>>,
        default: Capture,
        targets: &Targets<'_>,
    ) -> bool {
        let (one, two) = (&self.objects, objects);
        self.default == default
            && Arc::ptr_eq(&self.captures, captures)
            && self
                .targets
                .iter()
                .map(|((service, subset), labels)| ((service, subset), labels))
                .eq(targets.iter().map(|(shadow, labels)| (*shadow, &**labels)))
            && one.namespaces.is(&two.namespaces)
            && one.pods.is(&two.pods)
            && one.workloads.is(&two.workloads)
            && one.plugins.is(&two.plugins)
            && one.plugin_chains.is(&two.plugin_chains)
    }
}

fn owned((service, subset): Shadow<'_>) -> (Namespaced, Subset) {
    (service.clone(), subset.clone())
}

impl Callers {
    /// The nodes among the objects, given the chains among them: `last` if that was made of the same.
    pub(super) fn find(
        objects: &Objects,
        chains: &[MirrorChain<'_>],
        captures: &Arc<BTreeMap<Namespaced, Capture>>,
        default: Capture,
        targets: &Targets<'_>,
        last: Option<&Arc<Self>>,
    ) -> Arc<Self> {
        let is_same = |last: &&Arc<Self>| last.from.is(objects, captures, default, targets);
        if let Some(last) = last.filter(is_same) {
            return Arc::clone(last);
        }
        let mut report = Report::default();
        let kept = Captures {
            kept: captures,
            default,
        };
        let nodes = nodes::read(objects, kept, &mut report);
        let reach = reach(&nodes, chains, objects, &mut report);
        let filed = Behind::new(targets);
        let mut behind: HashMap<Vec<Shadow<'_>>, usize> = HashMap::new();
        let mut classes: HashMap<(Capture, &str, usize, usize), usize> = HashMap::new();
        let by_node = nodes.iter().zip(&reach.by_node).map(|(node, set)| {
            let namespace = node.name.namespace.as_str();
            let added = behind.len();
            let over = filed.of(namespace, node.labels);
            let over = *behind.entry(over).or_insert(added);
            let added = classes.len();
            let class = (node.capture, namespace, *set, over);
            *classes.entry(class).or_insert(added)
        });
        let by_node = by_node.collect();
        let mut classes: Vec<_> = classes.into_iter().collect();
        classes.sort_unstable_by_key(|(_, index)| *index);
        let classes = classes
            .into_iter()
            .map(|((capture, namespace, set, behind), _)| Class {
                capture,
                namespace: namespace.to_owned(),
                set,
                behind,
            });
        let mut behind: Vec<_> = behind.into_iter().collect();
        behind.sort_unstable_by_key(|(_, index)| *index);
        let behind = behind
            .into_iter()
            .map(|(shadows, _)| shadows.into_iter().map(owned).collect());
        let sets = reach
            .sets
            .iter()
            .map(|set| set.iter().map(|plugin| (*plugin).to_owned()).collect());
        let asked = nodes.iter().filter(|node| node.asked);
        let asked = asked.map(|node| (node.name, node.capture)).collect();
        Arc::new(Self {
            sets: sets.collect(),
            behind: behind.collect(),
            classes: classes.collect(),
            by_node,
            captures: or_as_before(asked, captures),
            report,
            from: From::new(objects, captures, default, targets),
        })
    }

    /// The names of all nodes, sorted.
    pub(super) fn names(&self) -> Vec<&Namespaced> {
        nodes::names(&self.from.objects)
    }
}
