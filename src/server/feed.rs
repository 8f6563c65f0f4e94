//! What each stream's client is to have, and which streams a change concerns: only those are woken.

use std::collections::BTreeMap;
use std::mem;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;

use super::node::Node;
use crate::model::GroupId;
use crate::snapshot::Instance;
use crate::snapshot::Snapshot;
use crate::snapshot::World;

/// What a client is to have from now on.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    /// The group that its node belongs to.
    pub(super) group: GroupId,
    /// Whether the world knows the node; one that it does not know gets what strangers get.
    pub(super) known: bool,
    /// The trial of its configuration that it takes part in, if it does.
    pub(super) trial: Option<u64>,
    /// Its configuration.
    pub(super) snapshot: Arc<Snapshot>,
}

/// Something that a stream has to take note of.
#[derive(Debug)]
pub(super) enum News {
    /// Its client is to have something else.
    Offer(Offer),
    /// The server stops.
    Stop,
}

/// The streams of a server, by what concerns them.
#[derive(Debug, Default)]
pub(super) struct Feeds(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    world: Option<Arc<World>>,
    stopping: bool,
    last: u64,
    streams: BTreeMap<u64, Stream>,
    /// The streams whose clients are known, by group.
    members: BTreeMap<GroupId, BTreeMap<u64, Arc<Letterbox>>>,
}

#[derive(Debug)]
struct Stream {
    letterbox: Arc<Letterbox>,
    /// The client, if it has said who it is.
    client: Option<Instance>,
}

/// The newest news for a stream; what was not read before is out of date.
#[derive(Debug, Default)]
struct Letterbox(Mutex<Post>);

#[derive(Debug, Default)]
struct Post {
    /// What the client is to have.
    offer: Option<Offer>,
    unread: bool,
    stop: bool,
    reader: Option<Waker>,
}

impl Feeds {
    /// A feed for a new stream; it ends when the value is dropped.
    pub(super) fn open(self: &Arc<Self>) -> Feed {
        let letterbox = Arc::new(Letterbox::default());
        let mut state = lock(&self.0);
        if state.stopping {
            letterbox.stop();
        }
        state.last += 1;
        let stream = state.last;
        let entry = Stream {
            letterbox: Arc::clone(&letterbox),
            client: None,
        };
        state.streams.insert(stream, entry);
        Feed {
            feeds: Arc::clone(self),
            stream,
            letterbox,
        }
    }

    /// Another world is to be served.
    pub(super) fn publish(&self, world: Arc<World>) {
        let mut state = lock(&self.0);
        match state.world.replace(Arc::clone(&world)) {
            // Nobody moved: what a group has now, each of its members has.
            Some(before) if same_nodes(&before, &world) => {
                for (group, members) in &state.members {
                    let snapshot = snapshot_of(&world, group);
                    if !Arc::ptr_eq(&snapshot, &snapshot_of(&before, group)) {
                        members
                            .values()
                            .for_each(|member| member.renew(group, &snapshot));
                    }
                }
            }
            _ => {
                let streams: Vec<_> = state.streams.keys().copied().collect();
                streams
                    .into_iter()
                    .for_each(|stream| state.offer(stream, &world));
            }
        }
    }

    /// Every stream is to end.
    pub(super) fn stop(&self) {
        let mut state = lock(&self.0);
        state.stopping = true;
        let streams = state.streams.values();
        streams.for_each(|stream| stream.letterbox.stop());
    }
}

impl State {
    /// Tells a stream what the world has for its client, if that is anything else than before.
    fn offer(&mut self, stream: u64, world: &World) {
        let Some(Stream { letterbox, client }) = self.streams.get(&stream) else {
            return;
        };
        let Some(Instance { node, peer }) = client else {
            return;
        };
        let group = world.nodes.get(node);
        let canary = world.canary(node, *peer);
        let snapshot = canary.map(|canary| Arc::clone(&canary.snapshot));
        let offer = Offer {
            group: group.unwrap_or(&world.fallback).clone(),
            known: group.is_some(),
            trial: canary.map(|canary| canary.trial),
            snapshot: snapshot.unwrap_or_else(|| world.snapshot_for(node)),
        };
        let letterbox = Arc::clone(letterbox);
        let group = offer.group.clone();
        let left = letterbox.put(offer);
        if left.as_ref() != Some(&group) {
            self.leave(stream, left.as_ref());
            let members = self.members.entry(group).or_default();
            members.insert(stream, letterbox);
        }
    }

    fn leave(&mut self, stream: u64, group: Option<&GroupId>) {
        let Some(group) = group else { return };
        if let Some(members) = self.members.get_mut(group) {
            members.remove(&stream);
            if members.is_empty() {
                self.members.remove(group);
            }
        }
    }
}

/// Whether every node is sure to belong to the group that it belonged to, and to have what that has.
fn same_nodes(one: &World, other: &World) -> bool {
    Arc::ptr_eq(&one.nodes, &other.nodes)
        && one.fallback == other.fallback
        && one.exceptions.is_empty()
        && other.exceptions.is_empty()
}

/// What the members of a group have.
fn snapshot_of(world: &World, group: &GroupId) -> Arc<Snapshot> {
    let own = world.groups.get(group);
    let own = own.or_else(|| world.groups.get(&world.fallback));
    own.cloned().unwrap_or_default()
}

impl Letterbox {
    /// Leaves an offer, unless it is the one that was left last; the group of that.
    fn put(&self, offer: Offer) -> Option<GroupId> {
        let same = |before: &Offer| {
            before.group == offer.group
                && before.known == offer.known
                && before.trial == offer.trial
                && Arc::ptr_eq(&before.snapshot, &offer.snapshot)
        };
        let mut post = lock(&self.0);
        if post.offer.as_ref().is_some_and(same) {
            return Some(offer.group);
        }
        let before = post.offer.replace(offer);
        post.unread = true;
        Self::ring(post);
        before.map(|before| before.group)
    }

    /// The group has something else now.
    fn renew(&self, group: &GroupId, snapshot: &Arc<Snapshot>) {
        let mut post = lock(&self.0);
        if let Some(offer) = post.offer.as_mut().filter(|offer| offer.group == *group) {
            offer.snapshot = Arc::clone(snapshot);
            post.unread = true;
            Self::ring(post);
        }
    }

    fn ring(mut post: MutexGuard<'_, Post>) {
        let reader = post.reader.take();
        drop(post);
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    fn stop(&self) {
        let mut post = lock(&self.0);
        post.stop = true;
        Self::ring(post);
    }
}

/// The feed of one stream.
#[derive(Debug)]
pub(super) struct Feed {
    feeds: Arc<Feeds>,
    stream: u64,
    letterbox: Arc<Letterbox>,
}

impl Feed {
    /// The client said who it is: from now on the stream is told what it is to have, first of all what is there now.
    pub(super) fn identify(&self, node: &Node, peer: Option<SocketAddr>) {
        let mut state = lock(&self.feeds.0);
        if let Some(stream) = state.streams.get_mut(&self.stream) {
            let node = Arc::clone(&node.key);
            stream.client = Some(Instance { node, peer });
        }
        if let Some(world) = state.world.clone() {
            state.offer(self.stream, &world);
        }
    }

    /// The next news.
    pub(super) fn poll(&self, context: &Context<'_>) -> Poll<News> {
        let mut post = lock(&self.letterbox.0);
        if post.stop {
            return Poll::Ready(News::Stop);
        }
        if mem::take(&mut post.unread)
            && let Some(offer) = &post.offer
        {
            return Poll::Ready(News::Offer(offer.clone()));
        }
        match &mut post.reader {
            Some(reader) => reader.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        Poll::Pending
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        let mut state = lock(&self.feeds.0);
        state.streams.remove(&self.stream);
        let group = lock(&self.letterbox.0)
            .offer
            .take()
            .map(|offer| offer.group);
        state.leave(self.stream, group.as_ref());
    }
}

/// Nothing under these locks can panic half-way.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering;
    use std::task::Context;
    use std::task::Poll;
    use std::task::Wake;
    use std::task::Waker;

    use super::Feed;
    use super::Feeds;
    use super::News;
    use crate::model::GroupId;
    use crate::proto::envoy::config::core::v3 as core;
    use crate::server::node::Node;
    use crate::snapshot::Canary;
    use crate::snapshot::Exceptions;
    use crate::snapshot::Instance;
    use crate::snapshot::Snapshot;
    use crate::snapshot::World;

    fn world(groups: &[&str], nodes: &[(&str, &str)]) -> World {
        let groups = groups
            .iter()
            .map(|group| (GroupId::new(*group), Arc::default()));
        let nodes = nodes
            .iter()
            .map(|(node, group)| (Arc::from(*node), GroupId::new(*group)));
        World {
            groups: groups.collect(),
            nodes: Arc::new(nodes.collect()),
            fallback: GroupId::new("none"),
            exceptions: Exceptions::default(),
        }
    }

    /// A stream that counts how often it is woken.
    struct Stream {
        feed: Feed,
        woken: Arc<Count>,
    }

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Stream {
        fn open(feeds: &Arc<Feeds>, node: &str) -> Self {
            let feed = feeds.open();
            let message = core::Node {
                id: node.to_owned(),
                ..core::Node::default()
            };
            feed.identify(&Node::new(&message), None);
            Self {
                feed,
                woken: Arc::default(),
            }
        }

        /// What it is told, in words; and how often it was woken since it was last asked.
        fn news(&self) -> (String, usize) {
            let waker = Waker::from(Arc::clone(&self.woken));
            let mut told = Vec::new();
            while let Poll::Ready(news) = self.feed.poll(&Context::from_waker(&waker)) {
                match news {
                    News::Offer(offer) => {
                        let tries = offer.trial.map_or("", |_| " tries");
                        told.push(format!("{} {}{tries}", offer.group, offer.known));
                    }
                    News::Stop => {
                        return ("stop".to_owned(), self.woken.0.swap(0, Ordering::Relaxed));
                    }
                }
            }
            (told.join(","), self.woken.0.swap(0, Ordering::Relaxed))
        }
    }

    #[test]
    fn only_those_whom_it_concerns_are_woken() {
        let feeds = Arc::new(Feeds::default());
        let nodes = [("a/1", "a"), ("a/2", "a"), ("b/1", "b")];
        let first = world(&["a", "b", "none"], &nodes);
        let early = Stream::open(&feeds, "a/1");
        assert_eq!(early.news(), (String::new(), 0), "there is no world yet");
        feeds.publish(Arc::new(first.clone()));
        let streams = ["a/2", "b/1", "x/1"].map(|node| Stream::open(&feeds, node));
        let news = || [&early, &streams[0], &streams[1], &streams[2]].map(Stream::news);
        let told = |told: [(&str, usize); 4]| told.map(|(text, woken)| (text.to_owned(), woken));
        assert_eq!(
            news(),
            told([
                ("a true", 1),
                ("a true", 0),
                ("b true", 0),
                ("none false", 0)
            ]),
        );

        // Another configuration for one group.
        let mut second = first.clone();
        second
            .groups
            .insert(GroupId::new("a"), Arc::new(Snapshot::default()));
        feeds.publish(Arc::new(second.clone()));
        assert_eq!(
            news(),
            told([("a true", 1), ("a true", 1), ("", 0), ("", 0)])
        );

        // The same world again, and the same nodes in another map.
        feeds.publish(Arc::new(second.clone()));
        second.nodes = Arc::new(BTreeMap::clone(&second.nodes));
        feeds.publish(Arc::new(second.clone()));
        assert_eq!(news(), told([("", 0), ("", 0), ("", 0), ("", 0)]));

        // A node moves, a stranger becomes known; a group that is gone leaves its members the fallback's.
        let moved = [("a/1", "a"), ("a/2", "b"), ("b/1", "b"), ("x/1", "none")];
        second.nodes = world(&[], &moved).nodes;
        feeds.publish(Arc::new(second.clone()));
        assert_eq!(
            news(),
            told([("", 0), ("b true", 1), ("", 0), ("none true", 1)])
        );
        second.groups.remove(&GroupId::new("b"));
        feeds.publish(Arc::new(second.clone()));
        assert_eq!(
            news(),
            told([("", 0), ("b true", 1), ("b true", 1), ("", 0)])
        );
    }

    #[test]
    fn a_canary_and_those_who_wait_are_told_apart() {
        let feeds = Arc::new(Feeds::default());
        let mut world = world(&["a"], &[("a/1", "a"), ("a/2", "a"), ("a/3", "a")]);
        feeds.publish(Arc::new(world.clone()));
        let streams = ["a/1", "a/2", "a/3"].map(|node| Stream::open(&feeds, node));
        let news = || streams.each_ref().map(|stream| stream.news().0);
        assert_eq!(news(), ["a true", "a true", "a true"]);

        let instance = Instance {
            node: "a/1".into(),
            peer: None,
        };
        let canary = Canary {
            snapshot: Arc::default(),
            trial: 1,
        };
        world.exceptions.canaries.insert(instance, canary);
        feeds.publish(Arc::new(world.clone()));
        assert_eq!(news(), ["a true tries", "", ""]);
        let kept = Arc::clone(&world.groups[&GroupId::new("a")]);
        world.groups.insert(GroupId::new("a"), Arc::default());
        world.exceptions.waiting.insert("a/2".into(), kept);
        feeds.publish(Arc::new(world.clone()));
        assert_eq!(news(), ["", "", "a true"]);
        world.exceptions = Exceptions::default();
        feeds.publish(Arc::new(world));
        assert_eq!(news(), ["a true", "a true", ""]);
    }

    #[test]
    fn the_newest_is_told_and_a_stop_is_told_to_all() {
        let feeds = Arc::new(Feeds::default());
        let stream = Stream::open(&feeds, "a/1");
        let silent = feeds.open();
        for _ in 0..3 {
            feeds.publish(Arc::new(world(&["a"], &[("a/1", "a")])));
        }
        assert_eq!(stream.news(), ("a true".to_owned(), 0));
        feeds.stop();
        assert_eq!(stream.news(), ("stop".to_owned(), 1));
        let late = feeds.open();
        for feed in [&silent, &late] {
            let news = feed.poll(&Context::from_waker(Waker::noop()));
            assert!(matches!(news, Poll::Ready(News::Stop)));
        }
        drop((stream, silent, late));
        let state = super::lock(&feeds.0);
        assert!(state.streams.is_empty() && state.members.is_empty());
    }
}
