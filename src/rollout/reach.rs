//! Which sidecars a change reaches, and what it changes for them.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::GroupId;
use crate::server::Member;
use crate::snapshot::ResourceType;
use crate::snapshot::Snapshot;
use crate::snapshot::World;

/// What a change means for the connected sidecars of a group.
#[derive(Debug, Default)]
pub(super) struct Reach {
    /// Those that have something else now.
    pub(super) members: Vec<Member>,
    /// The groups that they have it from.
    pub(super) from: BTreeSet<GroupId>,
    /// What is different.
    pub(super) changes: BTreeSet<(ResourceType, Arc<str>)>,
}

/// Whether nobody's configuration can differ, as far as can be said without looking at anybody.
pub(super) fn is_nowhere(good: &World, target: &World) -> bool {
    let same = |(id, snapshot): (&GroupId, &Arc<Snapshot>)| {
        let old = good.groups.get(id);
        old.is_some_and(|old| Arc::ptr_eq(old, snapshot) || old.configures_alike(snapshot))
    };
    good.exceptions.waiting.is_empty()
        && good.fallback == target.fallback
        && good.groups.len() == target.groups.len()
        && (Arc::ptr_eq(&good.nodes, &target.nodes) || good.nodes == target.nodes)
        && target.groups.iter().all(same)
}

/// Those of a crowd that would be sent another configuration by the target than by what is good, by their group in the
/// target. Who has no configuration has nothing to lose, and nothing to go back to: it is not among them.
pub(super) fn reach(good: &World, target: &World, crowd: Vec<Member>) -> BTreeMap<GroupId, Reach> {
    let mut reaches: BTreeMap<GroupId, Reach> = BTreeMap::new();
    // Thousands of members have the same few pairs of snapshots.
    let mut compared: BTreeMap<(*const Snapshot, *const Snapshot), bool> = BTreeMap::new();
    for member in crowd {
        let node = &member.sidecar.node;
        let (old, new) = (good.snapshot_for(node), target.snapshot_for(node));
        let pair = (Arc::as_ptr(&old), Arc::as_ptr(&new));
        let known = compared.get(&pair).copied();
        let differs =
            known.unwrap_or_else(|| !old.configures_nothing() && !old.configures_alike(&new));
        if known.is_none() {
            compared.insert(pair, differs);
        }
        if !differs {
            continue;
        }
        let reach = reaches.entry(target.group_for(node).clone()).or_default();
        if known.is_none() {
            reach.changes.extend(old.changes(&new));
        }
        reach.from.insert(good.group_for(node).clone());
        reach.members.push(member);
    }
    reaches
}
