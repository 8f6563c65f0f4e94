//! What each stream's client is to have, and which streams a change concerns: only those are woken.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;

use super::node::Node;
use crate::model::GroupId;
use crate::snapshot::Snapshot;
use crate::snapshot::World;

/// What a client is to have from now on.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    /// The group that its node belongs to.
    pub(super) group: GroupId,
    /// Whether the world knows the node; one that it does not know gets what strangers get.
    pub(super) known: bool,
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
    /// The streams whose nodes are known, by group.
    members: BTreeMap<GroupId, BTreeSet<u64>>,
}

#[derive(Debug)]
struct Stream {
    letterbox: Arc<Letterbox>,
    client: Option<Client>,
}

/// Who is at the other end, and what it was offered last.
#[derive(Debug)]
struct Client {
    node: Arc<str>,
    offered: Option<Offer>,
}

/// The newest news for a stream; what was not read before is out of date.
#[derive(Debug, Default)]
struct Letterbox(Mutex<Post>);

#[derive(Debug, Default)]
struct Post {
    offer: Option<Offer>,
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
        let before = state.world.replace(Arc::clone(&world));
        let concerned: Vec<u64> = match &before {
            Some(before) if same_nodes(before, &world) => {
                let groups = state.members.iter();
                groups
                    .filter(|(group, _)| !same_snapshot(before, &world, group))
                    .flat_map(|(_, streams)| streams.iter().copied())
                    .collect()
            }
            _ => state.streams.keys().copied().collect(),
        };
        for stream in concerned {
            state.offer(stream, &world);
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
        let entry = self.streams.get_mut(&stream);
        let Some((letterbox, client)) =
            entry.and_then(|entry| Some((&entry.letterbox, entry.client.as_mut()?)))
        else {
            return;
        };
        let group = world.nodes.get(&client.node);
        let offer = Offer {
            group: group.unwrap_or(&world.fallback).clone(),
            known: group.is_some(),
            snapshot: world.snapshot_for(&client.node),
        };
        let before = client.offered.replace(offer.clone());
        let left = before.as_ref().map(|before| &before.group);
        if left != Some(&offer.group) {
            if let Some(members) = left.and_then(|group| self.members.get_mut(group)) {
                members.remove(&stream);
            }
            self.members
                .entry(offer.group.clone())
                .or_default()
                .insert(stream);
        } else if before.is_some_and(|before| {
            before.known == offer.known && Arc::ptr_eq(&before.snapshot, &offer.snapshot)
        }) {
            return;
        }
        letterbox.put(offer);
    }
}

/// Whether every node is sure to belong to the group that it belonged to.
fn same_nodes(one: &World, other: &World) -> bool {
    Arc::ptr_eq(&one.nodes, &other.nodes) && one.fallback == other.fallback
}

/// Whether the members of a group are sure to have what they had.
fn same_snapshot(one: &World, other: &World, group: &GroupId) -> bool {
    let of = |world: &World| {
        let own = world.groups.get(group);
        own.or_else(|| world.groups.get(&world.fallback)).cloned()
    };
    match (of(one), of(other)) {
        (Some(one), Some(other)) => Arc::ptr_eq(&one, &other),
        (one, other) => one.is_none() && other.is_none(),
    }
}

impl Letterbox {
    fn put(&self, offer: Offer) {
        self.leave(|post| post.offer = Some(offer));
    }

    fn stop(&self) {
        self.leave(|post| post.stop = true);
    }

    fn leave(&self, news: impl FnOnce(&mut Post)) {
        let reader = {
            let mut post = lock(&self.0);
            news(&mut post);
            post.reader.take()
        };
        if let Some(reader) = reader {
            reader.wake();
        }
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
    pub(super) fn identify(&self, node: &Node) {
        let mut state = lock(&self.feeds.0);
        if let Some(stream) = state.streams.get_mut(&self.stream) {
            stream.client = Some(Client {
                node: Arc::clone(&node.key),
                offered: None,
            });
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
        if let Some(offer) = post.offer.take() {
            return Poll::Ready(News::Offer(offer));
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
        let Some(client) = state.streams.remove(&self.stream).and_then(|s| s.client) else {
            return;
        };
        let group = client.offered.map(|offer| offer.group);
        if let Some(group) = group
            && let Some(members) = state.members.get_mut(&group)
        {
            members.remove(&self.stream);
            if members.is_empty() {
                state.members.remove(&group);
            }
        }
    }
}

/// Nothing under these locks can panic half-way.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
