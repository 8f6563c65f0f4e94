//! Snapshots side by side: what is told apart, and what is kept, while a change is rolled out.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Snapshot;
use crate::snapshot::ResourceType;

/// The types that say how requests are treated, and that a proxy takes or rejects as a whole. Of the others, runtime
/// values are what a mirror is switched off with, and endpoints where the live service is now: both have to arrive.
const CONFIGURATION: [ResourceType; 3] = [
    ResourceType::Cluster,
    ResourceType::Listener,
    ResourceType::Route,
];

impl Snapshot {
    /// Whether both hold the same clusters, listeners and routes.
    pub(crate) fn configures_alike(&self, other: &Self) -> bool {
        let alike = |ty| self.shares(other, ty) || self.of(ty) == other.of(ty);
        CONFIGURATION.into_iter().all(alike)
    }

    /// Whether there is no cluster, no listener and no route.
    pub(crate) fn configures_nothing(&self) -> bool {
        CONFIGURATION.into_iter().all(|ty| self.of(ty).is_empty())
    }

    /// The clusters, listeners and routes that are added, removed or changed by the next snapshot.
    pub(crate) fn changes(&self, next: &Self) -> BTreeSet<(ResourceType, Arc<str>)> {
        let of_type = |ty| {
            let (old, new) = (self.of(ty), next.of(ty));
            let gone = old.keys().filter(|name| !new.contains_key(*name));
            let other = new
                .iter()
                .filter(|(name, new)| old.get(*name) != Some(*new));
            let names = gone.chain(other.map(|(name, _)| name));
            names.map(move |name| (ty, Arc::clone(name)))
        };
        CONFIGURATION.into_iter().flat_map(of_type).collect()
    }

    /// This configuration, with what does not wait: the runtime values of the newest snapshot, and the newest endpoints
    /// under each name that is here already. Itself if that changes nothing; what does not change stays shared.
    pub(crate) fn beside(self: &Arc<Self>, newest: &Self) -> Arc<Self> {
        let mut next = Self::clone(self);
        if self.of(ResourceType::Runtime) != newest.of(ResourceType::Runtime) {
            next.take(ResourceType::Runtime, newest);
        }
        let (old, new) = (
            self.of(ResourceType::Endpoint),
            newest.of(ResourceType::Endpoint),
        );
        let stale = |name: &str| new.get(name).is_some_and(|new| old.get(name) != Some(new));
        if old.keys().any(|name| stale(name)) {
            let fresh = old.iter().map(|(name, old)| {
                let resource = new.get(name).unwrap_or(old);
                (Arc::clone(name), resource.clone())
            });
            let fresh = fresh.collect();
            if fresh == *new {
                next.take(ResourceType::Endpoint, newest);
            } else {
                // A version that was chosen stood for all of either.
                next.versions.remove(&ResourceType::Endpoint);
                next.resources
                    .insert(ResourceType::Endpoint, Arc::new(fresh));
            }
        }
        let same = ResourceType::ALL
            .into_iter()
            .all(|ty| self.shares(&next, ty));
        if same {
            Arc::clone(self)
        } else {
            Arc::new(next)
        }
    }

    /// Takes over all of a type.
    fn take(&mut self, ty: ResourceType, from: &Self) {
        match from.resources.get(&ty) {
            Some(all) => drop(self.resources.insert(ty, Arc::clone(all))),
            None => drop(self.resources.remove(&ty)),
        }
        match from.versions.get(&ty) {
            Some(version) => drop(self.versions.insert(ty, version.clone())),
            None => drop(self.versions.remove(&ty)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use crate::snapshot::ResourceType::{Cluster, Endpoint, Route, Runtime};
    use crate::snapshot::{Resource, ResourceType, Snapshot, Version};

    /// `NAME=CONTENT` of each type.
    fn snapshot(parts: &[(ResourceType, &[&'static str])]) -> Arc<Snapshot> {
        let resource = |text: &&'static str| {
            let (name, _) = text.split_once('=').unwrap();
            let (version, body) = (Version::of(text.as_bytes()), text.as_bytes().into());
            (Arc::from(name), Resource { version, body })
        };
        let of_type = |all: &[&'static str]| all.iter().map(resource).collect::<BTreeMap<_, _>>();
        let parts = parts.iter().map(|(ty, all)| (*ty, of_type(all)));
        Arc::new(Snapshot::new(parts.collect()))
    }

    #[test]
    fn what_waits_keeps_its_configuration_and_gets_the_rest() {
        let good = snapshot(&[
            (Cluster, &["a=1"]),
            (Endpoint, &["a=1", "old=1"]),
            (Route, &["r=1"]),
            (Runtime, &["share=1"]),
        ]);
        let next = snapshot(&[
            (Cluster, &["a=2", "new=1"]),
            (Endpoint, &["a=2", "new=1"]),
            (Route, &["r=1"]),
            (Runtime, &["share=0"]),
        ]);
        let expected = snapshot(&[
            (Cluster, &["a=1"]),
            (Endpoint, &["a=2", "old=1"]),
            (Route, &["r=1"]),
            (Runtime, &["share=0"]),
        ]);
        let kept = good.beside(&next);
        assert_eq!(kept, expected);
        for (ty, shared) in [(Cluster, true), (Route, true), (Endpoint, false)] {
            assert_eq!(kept.shares(&good, ty), shared, "{ty:?}");
        }
        assert!(kept.shares(&next, Runtime));
        assert!(Arc::ptr_eq(&kept, &kept.beside(&next)), "nothing is new");
    }

    #[test]
    fn only_clusters_listeners_and_routes_are_told_apart() {
        let good = snapshot(&[(Cluster, &["a=1", "b=1"]), (Endpoint, &["a=1"])]);
        let moved = snapshot(&[
            (Cluster, &["a=1", "b=1"]),
            (Endpoint, &["a=2"]),
            (Runtime, &["s=1"]),
        ]);
        assert!(good.configures_alike(&moved));
        let next = snapshot(&[(Cluster, &["a=2"]), (Route, &["r=1"])]);
        assert!(!good.configures_alike(&next));
        let changes: Vec<_> = good.changes(&next).into_iter().collect();
        let expected = [(Cluster, "a"), (Cluster, "b"), (Route, "r")];
        assert_eq!(changes, expected.map(|(ty, name)| (ty, Arc::from(name))));
        assert!(snapshot(&[(Runtime, &["s=1"])]).configures_nothing());
    }
}
