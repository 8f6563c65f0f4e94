//! Equal content, held once.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use super::Resource;
use super::ResourceType;
use super::Version;
use super::World;

/// Resources by their content, whatever group they belong to: two groups that mirror the same destination hold the same
/// bytes, and so do two generations of a group.
#[derive(Debug)]
pub(super) struct Pool<'a> {
    world: Option<&'a World>,
    /// Of each type that was asked for: a world is large, and a change is mostly of one type.
    seen: BTreeMap<ResourceType, HashMap<Version, Resource>>,
}

impl<'a> Pool<'a> {
    /// A pool that knows what a world holds.
    pub(super) fn of(world: Option<&'a World>) -> Self {
        Self {
            world,
            seen: BTreeMap::new(),
        }
    }

    /// Puts the bytes that are already held in the place of known content. What is new is known from now on.
    pub(super) fn share(&mut self, ty: ResourceType, resources: &mut BTreeMap<Arc<str>, Resource>) {
        let world = self.world;
        let seen = self.seen.entry(ty).or_insert_with(|| {
            let groups = world.into_iter().flat_map(|world| world.groups.values());
            let held = groups.flat_map(|snapshot| snapshot.of(ty).values());
            held.map(|held| (held.version.clone(), held.clone()))
                .collect()
        });
        for resource in resources.values_mut() {
            match seen.entry(resource.version.clone()) {
                // The version is a hash; the comparison makes a collision harmless.
                Entry::Occupied(held) if held.get() == resource => *resource = held.get().clone(),
                Entry::Occupied(_) => {}
                Entry::Vacant(place) => drop(place.insert(resource.clone())),
            }
        }
    }
}
