//! Equal content, held once.

use std::collections::HashMap;

use super::Resource;
use super::ResourceType;
use super::Snapshot;
use super::Version;

/// Resources by their content, whatever group they belong to: two groups that mirror the same destination hold the same
/// bytes, and so do two generations of a group.
#[derive(Debug, Default)]
pub(super) struct Pool {
    seen: HashMap<Version, Resource>,
}

impl Pool {
    /// Remembers what a snapshot holds.
    pub(super) fn learn(&mut self, snapshot: &Snapshot) {
        for ty in ResourceType::ALL {
            for resource in snapshot.of(ty).values() {
                self.seen
                    .entry(resource.version.clone())
                    .or_insert_with(|| resource.clone());
            }
        }
    }

    /// The same snapshot, its known content replaced by the bytes that are already held.
    pub(super) fn share(&mut self, snapshot: &Snapshot) -> Snapshot {
        self.learn(snapshot);
        let of_type = |ty| {
            let resources = snapshot.of(ty).iter();
            resources
                .map(|(name, resource)| {
                    let held = self.seen.get(&resource.version);
                    // The version is a hash; the comparison makes a collision harmless.
                    let held = held.filter(|held| *held == resource);
                    (name.clone(), held.unwrap_or(resource).clone())
                })
                .collect()
        };
        Snapshot::new(
            ResourceType::ALL
                .into_iter()
                .map(|ty| (ty, of_type(ty)))
                .collect(),
        )
        .with_versions(snapshot.versions().clone())
    }
}
