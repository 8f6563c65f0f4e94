//! From a model to what is served, with as little change as possible.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Arc;

use super::Dangling;
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
/// gets none, and its sidecars are served as the fallback group. A fault is reported by the call that meets it, not again
/// while the group stays as it is.
pub fn build(
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
        _ => Arc::new(pool.share(&snapshot)),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Pool, Snapshot, next};
    use crate::model::Group;
    use crate::translate::translate;

    #[test]
    fn what_fails_its_check_becomes_no_snapshot() {
        let before = Arc::new(Snapshot::default());
        let mut resources = translate(&Group {
            listen: "127.0.0.1:15001".parse().unwrap(),
            destinations: Vec::new(),
        });
        resources.routes.clear();
        let faults = next(&resources, Some(&before), &mut Pool::default()).unwrap_err();
        assert_eq!(faults.len(), 1);
    }
}
