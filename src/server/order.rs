//! Make before break: what a stream is shown while its client still uses what was there before.
//!
//! "Eventual consistency considerations" of the xDS protocol: clusters and endpoints come first, then listeners and
//! routes, and "stale CDS clusters and related EDS endpoints (ones no longer being referenced) can then be removed".

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::subscription::Subscription;
use crate::snapshot::Resource;
use crate::snapshot::ResourceType;
use crate::snapshot::Snapshot;
use crate::snapshot::Version;

/// For how long one type waits for the client's word on another. A client that rejects or ignores a type must not hold
/// up the others for ever; an Envoy answers in milliseconds.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// What routes and listeners refer to: these outlive their removal.
pub(super) const REFERRED_TO: [ResourceType; 2] = [ResourceType::Cluster, ResourceType::Endpoint];

/// What refers to clusters: these wait for the clusters, and removed clusters wait for these.
pub(super) const REFERRING: [ResourceType; 2] = [ResourceType::Listener, ResourceType::Route];

/// A snapshot, with what was removed but may still be referred to.
#[derive(Debug)]
pub(super) struct View {
    snapshot: Arc<Snapshot>,
    kept: BTreeMap<ResourceType, BTreeMap<Arc<str>, Kept>>,
}

/// A resource that is not in the snapshot any more.
#[derive(Debug)]
struct Kept {
    resource: Resource,
    until: Instant,
}

impl View {
    /// The view of a client that has nothing yet.
    pub(super) fn new(snapshot: Arc<Snapshot>) -> Self {
        Self {
            snapshot,
            kept: BTreeMap::new(),
        }
    }

    /// Whether this is a view of that very snapshot.
    pub(super) fn is_of(&self, snapshot: &Arc<Snapshot>) -> bool {
        Arc::ptr_eq(&self.snapshot, snapshot)
    }

    /// Whether another snapshot may show anything else of a type.
    pub(super) fn differs(&self, snapshot: &Snapshot, ty: ResourceType) -> bool {
        !self.snapshot.shares(snapshot, ty)
    }

    /// Moves on to another snapshot; keeps of the old one what the client `has`.
    pub(super) fn replace(
        &mut self,
        next: Arc<Snapshot>,
        now: Instant,
        has: impl Fn(ResourceType, &str) -> bool,
    ) {
        for ty in REFERRED_TO {
            // Most changes are of another type.
            if self.snapshot.shares(&next, ty) {
                continue;
            }
            let stays = next.of(ty);
            let kept = self.kept.entry(ty).or_default();
            kept.retain(|name, _| !stays.contains_key(name));
            for (name, resource) in self.snapshot.of(ty) {
                if !stays.contains_key(name) && has(ty, name) {
                    let resource = resource.clone();
                    let until = now + PATIENCE;
                    kept.insert(Arc::clone(name), Kept { resource, until });
                }
            }
        }
        self.kept.retain(|_, kept| !kept.is_empty());
        self.snapshot = next;
    }

    /// Whether anything removed is still shown.
    pub(super) fn keeps_any(&self) -> bool {
        !self.kept.is_empty()
    }

    /// Whether this one was removed and is still shown.
    pub(super) fn keeps(&self, ty: ResourceType, name: &str) -> bool {
        let kept = self.kept.get(&ty);
        kept.is_some_and(|kept| kept.contains_key(name))
    }

    /// When the next kept resource goes, whatever the client says.
    pub(super) fn next_release(&self) -> Option<Instant> {
        self.kept
            .values()
            .flat_map(BTreeMap::values)
            .map(|k| k.until)
            .min()
    }

    /// Shows no more what was removed: nothing refers to it now.
    pub(super) fn release_all(&mut self) {
        self.kept.clear();
    }

    /// Shows no more what was kept long enough; whether there was any.
    pub(super) fn release_expired(&mut self, now: Instant) -> bool {
        let mut any = false;
        for kept in self.kept.values_mut() {
            let before = kept.len();
            kept.retain(|_, kept| kept.until > now);
            any |= kept.len() < before;
        }
        self.kept.retain(|_, kept| !kept.is_empty());
        any
    }

    /// A resource by its name.
    pub(super) fn get(&self, ty: ResourceType, name: &str) -> Option<(&Arc<str>, &Resource)> {
        let kept = || {
            let (name, kept) = self.kept.get(&ty)?.get_key_value(name)?;
            Some((name, &kept.resource))
        };
        self.snapshot.of(ty).get_key_value(name).or_else(kept)
    }

    /// The version that was chosen for a type, if one was.
    pub(super) fn version(&self, ty: ResourceType) -> Option<&Version> {
        self.snapshot.versions().get(&ty)
    }

    /// The resources that a subscription asks for, by name.
    pub(super) fn wanted(
        &self,
        ty: ResourceType,
        subscription: &Subscription,
    ) -> Vec<(&Arc<str>, &Resource)> {
        if !subscription.is_wildcard() {
            let names = subscription.names().iter();
            return names.filter_map(|name| self.get(ty, name)).collect();
        }
        let mut all: Vec<_> = self.snapshot.of(ty).iter().collect();
        if let Some(kept) = self.kept.get(&ty) {
            all.extend(kept.iter().map(|(name, kept)| (name, &kept.resource)));
            all.sort_unstable_by_key(|(name, _)| *name);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use tokio::time::Instant;

    use super::PATIENCE;
    use super::View;
    use crate::server::subscription::Subscription;
    use crate::snapshot::Resource;
    use crate::snapshot::ResourceType;
    use crate::snapshot::Snapshot;
    use crate::snapshot::Version;

    fn snapshot(ty: ResourceType, names: &[&str]) -> Arc<Snapshot> {
        let resources = names.iter().map(|name| {
            let body = Bytes::copy_from_slice(name.as_bytes());
            let version = Version::of(&body);
            (Arc::from(*name), Resource { version, body })
        });
        Arc::new(Snapshot::new([(ty, resources.collect())].into()))
    }

    fn shown(view: &View, ty: ResourceType) -> String {
        let mut everything = Subscription::new(ty);
        everything.replace(["*"]);
        let names = view.wanted(ty, &everything).into_iter();
        names.map(|(name, _)| &**name).collect::<Vec<_>>().join(",")
    }

    #[test]
    fn only_what_is_referred_to_and_had_is_kept() {
        for (ty, had, expected) in [
            (ResourceType::Cluster, true, "a,b,c"),
            (ResourceType::Endpoint, true, "a,b,c"),
            (ResourceType::Cluster, false, "a,c"),
            (ResourceType::Listener, true, "a,c"),
            (ResourceType::Route, true, "a,c"),
            (ResourceType::Runtime, true, "a,c"),
        ] {
            let mut view = View::new(snapshot(ty, &["a", "b"]));
            view.replace(snapshot(ty, &["a", "c"]), Instant::now(), |_, _| had);
            assert_eq!(shown(&view, ty), expected, "{ty:?} had={had}");
        }
    }

    #[test]
    fn a_kept_resource_goes_when_its_time_is_over_and_not_before() {
        let ty = ResourceType::Cluster;
        let start = Instant::now();
        let mut view = View::new(snapshot(ty, &["a", "b"]));
        view.replace(snapshot(ty, &["a"]), start, |_, _| true);
        // A later change does not prolong it.
        view.replace(snapshot(ty, &["a", "c"]), start + PATIENCE / 2, |_, _| true);
        assert_eq!(view.next_release(), Some(start + PATIENCE));
        assert!(!view.release_expired(start + PATIENCE / 2));
        assert!(view.release_expired(start + PATIENCE));
        assert_eq!(shown(&view, ty), "a,c");
        assert!(!view.keeps_any());
    }

    #[test]
    fn a_resource_that_returns_is_shown_as_it_is_now() {
        let ty = ResourceType::Cluster;
        let mut view = View::new(snapshot(ty, &["a"]));
        view.replace(snapshot(ty, &[]), Instant::now(), |_, _| true);
        let returned = snapshot(ty, &["a"]);
        view.replace(Arc::clone(&returned), Instant::now(), |_, _| true);
        assert!(!view.keeps_any());
        assert!(view.is_of(&returned));
    }
}
