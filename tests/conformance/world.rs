//! Worlds made by hand, and a server of them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mirrorplane::model::GroupId;
use mirrorplane::server::Entrance;
use mirrorplane::server::Stats;
use mirrorplane::server::serve;
use mirrorplane::snapshot::Resource;
use mirrorplane::snapshot::ResourceType;
use mirrorplane::snapshot::Snapshot;
use mirrorplane::snapshot::Version;
use mirrorplane::snapshot::World;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

pub(crate) use mirrorplane::snapshot::ResourceType::Cluster;
pub(crate) use mirrorplane::snapshot::ResourceType::Endpoint;
pub(crate) use mirrorplane::snapshot::ResourceType::Listener;
pub(crate) use mirrorplane::snapshot::ResourceType::Route;
pub(crate) use mirrorplane::snapshot::ResourceType::Runtime;

/// The longest that anything may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// The node of a client that says nothing else.
pub(crate) const NODE: &str = "curl/pod";

/// What is served of one type: "NAME=CONTENT ...".
pub(crate) type Part<'a> = (ResourceType, &'a str);

/// The body that a name with a content has.
pub(crate) fn body(name: &str, content: &str) -> Bytes {
    Bytes::from(format!("{name}={content}"))
}

/// A snapshot of these resources.
pub(crate) fn snapshot(parts: &[Part<'_>]) -> Snapshot {
    let mut resources: BTreeMap<ResourceType, BTreeMap<Arc<str>, Resource>> = BTreeMap::new();
    for (ty, list) in parts {
        for item in list.split(' ').filter(|item| !item.is_empty()) {
            let (name, content) = item.split_once('=').expect("NAME=CONTENT");
            let body = body(name, content);
            let version = Version::of(&body);
            let of_type = resources.entry(*ty).or_default();
            of_type.insert(Arc::from(name), Resource { version, body });
        }
    }
    Snapshot::new(resources)
}

/// A world in which `NODE` has these resources, and strangers have none.
pub(crate) fn world(parts: &[Part<'_>]) -> World {
    groups(&[("own", parts)], &[(NODE, "own")])
}

/// A world of several groups; `fallback` is one of them, empty if it is not given.
pub(crate) fn groups(groups: &[(&str, &[Part<'_>])], nodes: &[(&str, &str)]) -> World {
    let fallback = ("fallback", &[] as &[Part<'_>]);
    let all = std::iter::once(&fallback).chain(groups);
    World {
        groups: all
            .map(|(id, parts)| (GroupId::new(*id), Arc::new(snapshot(parts))))
            .collect(),
        nodes: Arc::new(
            nodes
                .iter()
                .map(|(node, group)| (Arc::from(*node), GroupId::new(*group)))
                .collect(),
        ),
        fallback: GroupId::new("fallback"),
        exceptions: Default::default(),
    }
}

/// A server in this process.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) stats: Arc<Stats>,
    world: watch::Sender<Option<Arc<World>>>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Server {
    /// A server of `NODE`'s resources.
    pub(crate) async fn of(parts: &[Part<'_>]) -> Self {
        Self::start(Some(world(parts))).await
    }

    /// A server of a world, or of none yet.
    pub(crate) async fn start(initial: Option<World>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        Self::publishing(listener.into(), initial)
    }

    /// Likewise, at that entrance.
    pub(crate) fn publishing(entrance: Entrance, initial: Option<World>) -> Self {
        let (world, worlds) = watch::channel(initial.map(Arc::new));
        Self {
            world,
            ..Self::behind(entrance, worlds)
        }
    }

    /// A server of what someone else publishes.
    pub(crate) async fn serving(worlds: watch::Receiver<Option<Arc<World>>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        Self::behind(listener.into(), worlds)
    }

    fn behind(entrance: Entrance, worlds: watch::Receiver<Option<Arc<World>>>) -> Self {
        let address = entrance.listener.local_addr().expect("a bound address");
        let (stop, stopped) = oneshot::channel::<()>();
        let stats = Arc::new(Stats::default());
        let serving = serve(entrance, worlds, Arc::clone(&stats), async {
            stopped.await.ok();
        });
        Self {
            address,
            stats,
            world: watch::channel(None).0,
            stop: Some(stop),
            task: tokio::spawn(async { serving.await.expect("the server serves") }),
        }
    }

    /// `NODE` has these resources from now on.
    pub(crate) fn publish(&self, parts: &[Part<'_>]) {
        self.publish_world(world(parts));
    }

    pub(crate) fn publish_world(&self, world: World) {
        self.world.send_replace(Some(Arc::new(world)));
    }

    /// The world as it is, for a change of a part of it.
    pub(crate) fn world(&self) -> World {
        let world = self.world.borrow();
        World::clone(world.as_ref().expect("a world was published"))
    }

    /// Asks the server to stop.
    pub(crate) fn stop(&mut self) {
        let stop = self.stop.take().expect("stopped once");
        stop.send(()).expect("the server runs");
    }

    /// Waits until it has stopped.
    pub(crate) async fn stopped(self) {
        timeout(DEADLINE, self.task)
            .await
            .expect("a bounded time")
            .expect("no panic");
    }

    /// Waits until so many streams are open.
    pub(crate) async fn has_streams(&self, count: u64) {
        timeout(DEADLINE, async {
            while self.stats.streams_open() != count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
        .expect("the streams are opened and closed");
    }
}
