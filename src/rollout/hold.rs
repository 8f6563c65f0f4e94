//! What everyone is served who does not try anything.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::GroupId;
use crate::snapshot::Exceptions;
use crate::snapshot::Snapshot;
use crate::snapshot::World;

/// The target, except that the sidecars of some groups keep the configuration that they have by what is good, beside the
/// newest runtime values and endpoints.
pub(super) fn hold(
    good: &World,
    target: &Arc<World>,
    held: impl Fn(&GroupId) -> bool,
) -> Arc<World> {
    if !target.groups.keys().any(&held) {
        return Arc::clone(target);
    }
    let mut groups = BTreeMap::new();
    for (id, snapshot) in &target.groups {
        let kept = match good.groups.get(id) {
            _ if !held(id) => Arc::clone(snapshot),
            Some(good) => good.beside(snapshot),
            // Those who belong here now belonged elsewhere, and wait; a stranger to both has the fallback.
            None => continue,
        };
        groups.insert(id.clone(), kept);
    }
    Arc::new(World {
        groups,
        nodes: Arc::clone(&target.nodes),
        fallback: target.fallback.clone(),
        exceptions: Exceptions {
            waiting: waiting(good, target, held),
            canaries: BTreeMap::new(),
        },
    })
}

/// What nodes keep that came to a held group from another. A node that nothing was known of gets what the group has, if it
/// has anything.
fn waiting(
    good: &World,
    target: &World,
    held: impl Fn(&GroupId) -> bool,
) -> BTreeMap<Arc<str>, Arc<Snapshot>> {
    if good.exceptions.waiting.is_empty() && Arc::ptr_eq(&good.nodes, &target.nodes) {
        return BTreeMap::new();
    }
    let known = good.nodes.keys().chain(target.nodes.keys());
    let known: BTreeSet<_> = known.chain(good.exceptions.waiting.keys()).collect();
    // Of equal content one, whoever keeps it.
    let mut kept: BTreeMap<(*const Snapshot, &GroupId), Arc<Snapshot>> = BTreeMap::new();
    let mut waiting = BTreeMap::new();
    for node in known {
        let group = target.group_for(node);
        let known = good.nodes.contains_key(node) || !good.groups.contains_key(group);
        let moved =
            known && good.group_for(node) != group || good.exceptions.waiting.contains_key(node);
        if let Some(newest) = target.groups.get(group).filter(|_| held(group) && moved) {
            let old = good.snapshot_for(node);
            let kept = kept
                .entry((Arc::as_ptr(&old), group))
                .or_insert_with(|| old.beside(newest));
            waiting.insert(Arc::clone(node), Arc::clone(kept));
        }
    }
    waiting
}
