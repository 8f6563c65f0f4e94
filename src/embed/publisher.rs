//! Changes go in, worlds come out.

use std::sync::Arc;

use tokio::sync::watch;

use super::change::Change;
use super::change::Error;
use super::change::edited;
use crate::model::GroupId;
use crate::snapshot::Exceptions;
use crate::snapshot::Snapshot;
use crate::snapshot::World;

/// The one writer of what a server serves.
#[derive(Debug)]
pub struct Publisher {
    world: watch::Sender<Option<Arc<World>>>,
}

impl Publisher {
    /// A publisher, and what [`serve`](crate::server::serve) reads. Until the first [`publish`](Self::publish) clients are
    /// held and sent nothing, as they are while a control plane reads its sources; an empty one ends that as well.
    pub fn new() -> (Self, watch::Receiver<Option<Arc<World>>>) {
        let (world, worlds) = watch::channel(None);
        (Self { world }, worlds)
    }

    /// What a node has; nothing if it is not known.
    pub fn snapshot(&self, node: &str) -> Arc<Snapshot> {
        let world = self.world.borrow();
        let known = world.as_ref().map(|world| world.snapshot_for(node));
        known.unwrap_or_default()
    }

    /// Makes changes, of one node or of several: all of them are visible at once.
    ///
    /// # Errors
    ///
    /// If one of the changes does not fit what is there after those before it. Then none is made.
    pub fn publish(&mut self, changes: impl IntoIterator<Item = Change>) -> Result<(), Error> {
        let before = self.world.borrow().clone();
        let mut next = before.as_deref().cloned().unwrap_or_else(empty);
        for change in changes {
            let own = |node: &Arc<str>| GroupId::new(format!("node/{node}"));
            let id = own(&change.node);
            let node = Arc::clone(&change.node);
            let leader = change.leader.as_ref().unwrap_or(&node);
            let snapshot = next.snapshot_for(leader);
            if change.follows_only() {
                let group = next.nodes.get(leader).cloned();
                let group = group.unwrap_or_else(|| own(leader));
                Arc::make_mut(&mut next.nodes).insert(node, group);
                continue;
            }
            let edited = edited(&snapshot, change)?;
            if edited == Snapshot::default() {
                next.groups.remove(&id);
                Arc::make_mut(&mut next.nodes).remove(&node);
            } else if edited != *snapshot || next.nodes.get(&node) != Some(&id) {
                next.groups.insert(id.clone(), Arc::new(edited));
                Arc::make_mut(&mut next.nodes).insert(node, id);
            }
        }
        self.world.send_replace(Some(Arc::new(next)));
        Ok(())
    }
}

/// A world in which nobody has anything.
fn empty() -> World {
    let fallback = GroupId::new("nobody");
    World {
        groups: [(fallback.clone(), Arc::default())].into(),
        nodes: Arc::default(),
        fallback,
        exceptions: Exceptions::default(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Publisher;
    use crate::embed::{Change, Error, Named};
    use crate::snapshot::ResourceType::{Cluster, Listener};

    fn named(name: &str, content: &'static str) -> Named {
        Named::new(Cluster, name, content)
    }

    #[test]
    fn a_change_that_does_not_fit_changes_nothing() {
        let (mut publisher, worlds) = Publisher::new();
        publisher
            .publish([Change::of("n").add(named("a", "1"))])
            .unwrap();
        let before = worlds.borrow().clone().unwrap();
        let (node, name): (Arc<str>, Arc<str>) = ("n".into(), "a".into());
        let exists = Error::Exists {
            node: Arc::clone(&node),
            ty: Cluster,
            name: Arc::clone(&name),
        };
        let missing = |ty, name: &Arc<str>| Error::Missing {
            node: Arc::clone(&node),
            ty,
            name: Arc::clone(name),
        };
        let first = || Change::of("other").add(named("x", "1"));
        let change = || Change::of("n");
        for (wrong, expected) in [
            (change().add(named("a", "2")), exists.clone()),
            (change().set([named("a", "1"), named("a", "2")]), exists),
            (
                change().update(named("b", "1")),
                missing(Cluster, &"b".into()),
            ),
            (
                change().clear().update(named("a", "1")),
                missing(Cluster, &name),
            ),
            (change().remove(Listener, "a"), missing(Listener, &name)),
        ] {
            assert_eq!(publisher.publish([first(), wrong]), Err(expected));
            assert!(Arc::ptr_eq(&before, worlds.borrow().as_ref().unwrap()));
        }
    }

    #[test]
    fn a_node_is_told_from_every_other() {
        let (mut publisher, _worlds) = Publisher::new();
        let ids = ["", "a", "a/b", "node/a", "nobody", "*", "ü"];
        publisher
            .publish(ids.map(|id| Change::of(id).add(named(id, "1"))))
            .unwrap();
        for id in ids {
            let snapshot = publisher.snapshot(id);
            assert!(snapshot.of(Cluster).keys().eq([&Arc::from(id)]), "{id}");
        }
        assert!(publisher.snapshot("b").of(Cluster).is_empty());
    }

    #[test]
    fn a_follower_has_what_its_leader_has_until_it_is_changed_itself() {
        let (mut publisher, _worlds) = Publisher::new();
        let mut after = |change: Change| {
            publisher.publish([change]).unwrap();
            ["leader", "one", "two"].map(|id| {
                let snapshot = publisher.snapshot(id);
                let names: Vec<_> = snapshot
                    .of(Cluster)
                    .keys()
                    .map(ToString::to_string)
                    .collect();
                names.join(" ")
            })
        };
        after(Change::follow("one", "leader"));
        after(Change::follow("two", "one"));
        for (change, expected) in [
            (Change::of("leader").set([named("a", "1")]), ["a", "a", "a"]),
            (
                Change::of("leader").add(named("b", "1")),
                ["a b", "a b", "a b"],
            ),
            (Change::of("one").remove(Cluster, "a"), ["a b", "b", "a b"]),
            (Change::of("leader").clear(), ["", "b", ""]),
            (Change::of("leader").add(named("c", "1")), ["c", "b", "c"]),
            (Change::follow("one", "leader"), ["c", "c", "c"]),
            (Change::of("two").set([named("c", "1")]), ["c", "c", "c"]),
            (Change::of("leader").clear(), ["", "", "c"]),
        ] {
            assert_eq!(after(change), expected);
        }
    }

    #[test]
    fn a_version_lasts_until_its_type_is_changed_again() {
        let (mut publisher, _worlds) = Publisher::new();
        let mut versions = |change: Change| {
            publisher.publish([change]).unwrap();
            let snapshot = publisher.snapshot("n");
            [Cluster, Listener].map(|ty| snapshot.versions().get(&ty).map(ToString::to_string))
        };
        let chosen = |text: &str| Some(text.to_owned());
        let change = || Change::of("n");
        let set = change().version("1").set([named("a", "1")]);
        assert_eq!(versions(set), [chosen("1"), chosen("1")]);
        let add = change().version("2").add(named("b", "1"));
        assert_eq!(versions(add), [chosen("2"), chosen("1")]);
        let other = change().set_type(Listener, [("l", "1")]);
        assert_eq!(versions(other), [chosen("2"), None]);
        assert_eq!(versions(change().version("").clear()), [None, None]);
    }
}
