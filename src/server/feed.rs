//! What each stream's client is to have, and which streams a change concerns: only those are woken.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::task::Context;
use std::task::Poll;

use super::letterbox::Letterbox;
use super::letterbox::News;
use super::letterbox::Offer;
use super::node::Node;
use crate::model::GroupId;
use crate::snapshot::Instance;
use crate::snapshot::World;

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
                    let snapshot = world.snapshot_of(group);
                    if !Arc::ptr_eq(&snapshot, &before.snapshot_of(group)) {
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
        self.letterbox.poll(context)
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        let mut state = lock(&self.feeds.0);
        state.streams.remove(&self.stream);
        let group = self.letterbox.close();
        state.leave(self.stream, group.as_ref());
    }
}

/// Nothing under the lock can panic half-way.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
