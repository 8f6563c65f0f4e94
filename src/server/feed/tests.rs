//! Who is told what, and who is woken.

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
use crate::model::GroupId;
use crate::proto::envoy::config::core::v3 as core;
use crate::server::letterbox::News;
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
