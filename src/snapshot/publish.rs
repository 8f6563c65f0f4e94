//! From a model to what is served, with as little change as possible.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Arc;

use super::Dangling;
use super::Exceptions;
use super::Snapshot;
use super::World;
use super::check::check;
use super::encode::encode;
use super::pool::Pool;
use crate::model::Group;
use crate::model::GroupId;
use crate::model::Model;
use crate::translate::Resources;
use crate::translate::translate;

/// Makes the world of a model, and says which groups could not be served as the model has them.
///
/// `previous` is what the last call was given and what it made. A group that did not change keeps its `Arc`, a resource that
/// did not change keeps its bytes. A group that fails the [`check`] keeps its previous snapshot; if it has none it
/// gets none, and its sidecars are served as the fallback group. A fault is reported by the call that meets it; again only
/// once the group has changed, or while it has no snapshot at all.
pub fn build(
    model: &Model,
    previous: Option<(&Model, &World)>,
) -> (World, Vec<(GroupId, Vec<Dangling>)>) {
    build_with(translate, model, previous)
}

fn build_with(
    translate: impl Fn(&Group) -> Resources,
    model: &Model,
    previous: Option<(&Model, &World)>,
) -> (World, Vec<(GroupId, Vec<Dangling>)>) {
    let mut pool = Pool::default();
    if let Some((_, world)) = previous {
        world
            .groups
            .values()
            .for_each(|snapshot| pool.learn(snapshot));
    }
    // Groups of equal content are made once.
    let mut made: HashMap<&Group, Arc<Snapshot>> = HashMap::new();
    let mut groups = BTreeMap::new();
    let mut faults = Vec::new();
    for (id, group) in &model.groups {
        let before = previous
            .and_then(|(model, world)| Some((model.groups.get(id)?, world.groups.get(id)?)));
        let snapshot = match (before, made.get(&**group)) {
            (Some((group_before, snapshot)), _) if group_before == group => Arc::clone(snapshot),
            (_, Some(snapshot)) => Arc::clone(snapshot),
            (before, None) => {
                let before = before.map(|(_, snapshot)| snapshot);
                match next(&translate(group), before, &mut pool) {
                    Ok(snapshot) => {
                        made.insert(group, Arc::clone(&snapshot));
                        snapshot
                    }
                    Err(dangling) => {
                        faults.push((id.clone(), dangling));
                        let Some(snapshot) = before else { continue };
                        Arc::clone(snapshot)
                    }
                }
            }
        };
        groups.insert(id.clone(), snapshot);
    }

    let nodes = previous
        .filter(|(before, _)| before.nodes == model.nodes)
        .map(|(_, world)| Arc::clone(&world.nodes));
    let nodes = nodes.unwrap_or_else(|| {
        let nodes = model.nodes.iter();
        let by_id = nodes.map(|(node, group)| (node.to_string().into(), group.clone()));
        Arc::new(by_id.collect())
    });
    let world = World {
        groups,
        nodes,
        fallback: model.fallback.clone(),
        exceptions: Exceptions::default(),
    };
    (world, faults)
}

/// The snapshot of these resources: the one before if it is equal.
fn next(
    resources: &Resources,
    before: Option<&Arc<Snapshot>>,
    pool: &mut Pool,
) -> Result<Arc<Snapshot>, Vec<Dangling>> {
    check(resources)?;
    let snapshot = encode(resources);
    Ok(match before {
        Some(before) if **before == snapshot => Arc::clone(before),
        Some(before) => Arc::new(pool.share(&snapshot).after(before)),
        None => Arc::new(pool.share(&snapshot)),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::build_with;
    use crate::model::{Group, GroupId, Model};
    use crate::translate::Resources;
    use crate::translate::translate;

    fn model(port: u16) -> Model {
        let group = Group {
            listen: ([127, 0, 0, 1], port).into(),
            destinations: Vec::new(),
        };
        Model {
            nodes: BTreeMap::new(),
            groups: BTreeMap::from([(GroupId::new("g"), Arc::new(group))]),
            fallback: GroupId::new("g"),
        }
    }

    fn broken(group: &Group) -> Resources {
        let mut resources = translate(group);
        resources.routes.clear();
        resources
    }

    #[test]
    fn a_group_that_fails_its_check_keeps_what_it_had() {
        let (first, second) = (model(1), model(2));
        let (world, faults) = build_with(translate, &first, None);
        assert_eq!(faults, []);

        let (next, faults) = build_with(broken, &second, Some((&first, &world)));
        assert_eq!(faults.len(), 1);
        let id = GroupId::new("g");
        assert!(Arc::ptr_eq(&next.groups[&id], &world.groups[&id]));

        let (after, faults) = build_with(broken, &second, Some((&second, &next)));
        assert_eq!(faults, [], "it was said before");
        assert!(Arc::ptr_eq(&after.groups[&id], &world.groups[&id]));

        let (repaired, faults) = build_with(translate, &model(3), Some((&second, &after)));
        assert_eq!(faults, []);
        assert_ne!(repaired.groups[&id], world.groups[&id]);
    }

    #[test]
    fn a_group_that_never_passed_its_check_is_not_served() {
        let (world, faults) = build_with(broken, &model(1), None);
        assert!(world.groups.is_empty());
        let (_, again) = build_with(broken, &model(1), Some((&model(1), &world)));
        assert_eq!((faults.len(), faults), (1, again), "it is said each time");
    }
}
