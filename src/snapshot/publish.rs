//! From a model to what is served, with as little change as possible.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::sync::Arc;

use super::Dangling;
use super::Exceptions;
use super::ResourceType;
use super::Snapshot;
use super::World;
use super::check::Check;
use super::encode;
use super::encode::Encoded;
use super::pool::Pool;
use crate::model::Changes;
use crate::model::Group;
use crate::model::GroupId;
use crate::model::Model;
use crate::translate;
use crate::translate::Resources;

/// A model, and the world that was made of it.
#[derive(Clone, Debug)]
pub struct Built {
    /// What was to be served.
    pub model: Model,
    /// What is served.
    pub world: Arc<World>,
    /// The groups that are served as an earlier model had them, since they fail the [`check`].
    behind: BTreeSet<GroupId>,
}

/// Makes the world of a model, and says which groups could not be served as the model has them.
///
/// `previous` is what the last call made. A group that did not change keeps its `Arc`, a resource that did not change
/// keeps its bytes, and what cannot have changed is not looked at: the work is in proportion to what did. A group that
/// fails the [`check`](super::check) keeps its previous snapshot; if it has none it gets none, and its sidecars are served as the
/// fallback group. A fault is reported by the call that meets it; again only once the group has changed, or while it has
/// no snapshot at all.
pub fn build(model: Model, previous: Option<&Built>) -> (Built, Vec<(GroupId, Vec<Dangling>)>) {
    build_with(translate::translate, model, previous)
}

fn build_with(
    translate: impl Fn(&Group) -> Resources<'_>,
    model: Model,
    previous: Option<&Built>,
) -> (Built, Vec<(GroupId, Vec<Dangling>)>) {
    let mut pool = Pool::of(previous.map(|previous| &*previous.world));
    // Groups of equal content are made once.
    let mut made: HashMap<&Group, Arc<Snapshot>> = HashMap::new();
    let mut groups = BTreeMap::new();
    let mut behind = BTreeSet::new();
    let mut faults = Vec::new();
    for (id, group) in &model.groups {
        let before = previous.and_then(|previous| previous.group(id));
        let changes = before.map(|before| Changes::between(before.group, group));
        if let (Some(before), Some(changes)) = (&before, changes)
            && !changes.any()
        {
            if before.is_behind {
                behind.insert(id.clone());
            }
            groups.insert(id.clone(), Arc::clone(before.snapshot));
            continue;
        }
        let snapshot = match (made.get(&**group), &before, changes) {
            (Some(snapshot), _, _) => Arc::clone(snapshot),
            // The names are the same ones as before, and passed the check.
            (None, Some(before), Some(changes)) if !changes.rest && !before.is_behind => {
                adjusted(before.snapshot, changes, group, &mut pool)
            }
            (None, before, _) => {
                let before = before.as_ref().map(|before| before.snapshot);
                match next(&translate(group), before, &mut pool) {
                    Ok(snapshot) => snapshot,
                    Err(dangling) => {
                        faults.push((id.clone(), dangling));
                        if let Some(snapshot) = before {
                            behind.insert(id.clone());
                            groups.insert(id.clone(), Arc::clone(snapshot));
                        }
                        continue;
                    }
                }
            }
        };
        made.insert(group, Arc::clone(&snapshot));
        groups.insert(id.clone(), snapshot);
    }
    let world = World {
        groups,
        nodes: nodes(&model, previous),
        fallback: model.fallback.clone(),
        exceptions: Exceptions::default(),
    };
    let built = Built {
        model,
        world: Arc::new(world),
        behind,
    };
    (built, faults)
}

/// A group as it was.
#[derive(Clone, Copy)]
struct Before<'a> {
    group: &'a Group,
    snapshot: &'a Arc<Snapshot>,
    /// Whether the snapshot is not that of the group, but of one before.
    is_behind: bool,
}

impl Built {
    /// A group, if it has a snapshot.
    fn group(&self, id: &GroupId) -> Option<Before<'_>> {
        Some(Before {
            group: self.model.groups.get(id)?,
            snapshot: self.world.groups.get(id)?,
            is_behind: self.behind.contains(id),
        })
    }
}

/// The snapshot of these resources: the one before if it is equal.
fn next(
    resources: &Resources<'_>,
    before: Option<&Arc<Snapshot>>,
    pool: &mut Pool<'_>,
) -> Result<Arc<Snapshot>, Vec<Dangling>> {
    let mut check = Check::new(resources);
    let mut encoded = encode::by_type(resources, |routes, host| check.virtual_host(routes, host));
    check.verdict()?;
    for (ty, all) in &mut encoded {
        pool.share(*ty, all);
    }
    let snapshot = Snapshot::new(encoded);
    Ok(match before {
        Some(before) if **before == snapshot => Arc::clone(before),
        Some(before) => Arc::new(snapshot.after(before)),
        None => Arc::new(snapshot),
    })
}

/// The snapshot of a group of which only shares or endpoints changed: all other types stay.
fn adjusted(
    before: &Arc<Snapshot>,
    changes: Changes,
    group: &Group,
    pool: &mut Pool<'_>,
) -> Arc<Snapshot> {
    let mut adjusted = Arc::clone(before);
    let mut replace = |ty, mut all: Encoded| {
        if all != *adjusted.of(ty) {
            pool.share(ty, &mut all);
            adjusted = Arc::new(Snapshot::clone(&adjusted).with(ty, all));
        }
    };
    if changes.endpoints {
        let endpoints = encode::endpoints(&translate::endpoints(group));
        replace(ResourceType::Endpoint, endpoints);
    }
    if changes.shares {
        let runtimes = encode::runtimes(&translate::runtimes(group));
        replace(ResourceType::Runtime, runtimes);
    }
    adjusted
}

/// The nodes as they are on the wire: those before, if they are the same.
fn nodes(model: &Model, previous: Option<&Built>) -> Arc<BTreeMap<Arc<str>, GroupId>> {
    match previous {
        Some(previous) if previous.model.nodes == model.nodes => Arc::clone(&previous.world.nodes),
        _ => {
            let nodes = model.nodes.iter();
            Arc::new(
                nodes
                    .map(|(node, group)| (node.to_string().into(), group.clone()))
                    .collect(),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::SocketAddr;
    use std::sync::Arc;

    use super::build_with;
    use crate::model::{Capture, Group, GroupId, Model};
    use crate::snapshot::tests::group;
    use crate::translate::Resources;
    use crate::translate::translate;

    /// One group, with this share, that listens on this port.
    fn model(share: u32, port: u16) -> Model {
        let group = Group {
            capture: Capture::Explicit(SocketAddr::from(([127, 0, 0, 1], port))),
            ..group(share)
        };
        Model {
            nodes: Arc::default(),
            groups: BTreeMap::from([(GroupId::new("g"), Arc::new(group))]),
            fallback: GroupId::new("g"),
        }
    }

    fn broken(group: &Group) -> Resources<'_> {
        let mut resources = translate(group);
        resources.routes.clear();
        resources
    }

    #[test]
    fn a_group_that_fails_its_check_keeps_what_it_had() {
        let (first, faults) = build_with(translate, model(0, 1), None);
        assert_eq!(faults, []);
        let id = GroupId::new("g");
        let good = Arc::clone(&first.world.groups[&id]);

        let (broke, faults) = build_with(broken, model(0, 2), Some(&first));
        assert_eq!(faults.len(), 1);
        assert!(Arc::ptr_eq(&broke.world.groups[&id], &good));

        let (still, faults) = build_with(broken, model(0, 2), Some(&broke));
        assert_eq!(faults, [], "it was said before");
        assert!(Arc::ptr_eq(&still.world.groups[&id], &good));

        let (share, faults) = build_with(broken, model(1, 2), Some(&still));
        assert_eq!(faults.len(), 1, "the rest of it is as wrong as before");
        assert!(Arc::ptr_eq(&share.world.groups[&id], &good));

        let (repaired, faults) = build_with(translate, model(2, 2), Some(&share));
        assert_eq!(faults, []);
        let (anew, _) = build_with(translate, model(2, 2), None);
        assert_eq!(repaired.world.groups, anew.world.groups);
    }

    #[test]
    fn a_group_that_never_passed_its_check_is_not_served() {
        let (built, faults) = build_with(broken, model(0, 1), None);
        assert!(built.world.groups.is_empty());
        let (_, again) = build_with(broken, model(0, 1), Some(&built));
        assert_eq!((faults.len(), faults), (1, again), "it is said each time");
    }
}
