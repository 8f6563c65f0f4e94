//! Thousands of sidecars on one thread, and what they notice.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use envoy_types::pb::envoy::config::core::v3::Extension;
use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::config::route::v3::RouteConfiguration;
use envoy_types::pb::envoy::service::runtime::v3::Runtime;
use mirrorplane::snapshot::ResourceType;
use prost::Message;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::mesh;
use crate::sidecar::Answer;
use crate::sidecar::Sidecar;
use crate::sidecar::Variant;
use crate::wire::Wire;

/// Connections that are being opened at a time: within the backlog of any server.
const OPENING: usize = 256;

/// How long a sidecar waits before it tries again.
const RETRY: Duration = Duration::from_millis(100);

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is being waited for.
#[derive(Debug)]
struct Change {
    ty: ResourceType,
    /// The body to be received by each group; what is the same in another order of fields comes after it.
    expected: Vec<Vec<Bytes>>,
    since: Instant,
    /// After what time each stream had queued its answer.
    accepted: Vec<Duration>,
}

impl Change {
    /// Whether a response brings the change to a sidecar of that group.
    fn is_in(&mut self, answer: &Answer, group: usize) -> bool {
        let expected = &mut self.expected[group];
        if answer.ty != self.ty {
            return false;
        }
        if answer.bodies.iter().any(|body| expected.contains(body)) {
            return true;
        }
        let other = answer
            .bodies
            .iter()
            .find(|body| is_same(self.ty, &expected[0], body));
        expected.extend(other.cloned());
        other.is_some()
    }
}

/// Whether two encodings are of the same message.
fn is_same(ty: ResourceType, one: &Bytes, other: &Bytes) -> bool {
    fn is_same<M: Message + Default + PartialEq>(one: &Bytes, other: &Bytes) -> bool {
        let (one, other) = (M::decode(one.clone()), M::decode(other.clone()));
        one.is_ok_and(|one| other.is_ok_and(|other| one == other))
    }
    match ty {
        ResourceType::Route => is_same::<RouteConfiguration>(one, other),
        ResourceType::Runtime => is_same::<Runtime>(one, other),
        _ => one == other,
    }
}

#[derive(Debug, Default)]
struct Seen {
    configured: usize,
    lost: usize,
    received: u64,
    responses: u64,
    change: Option<Change>,
}

/// A fleet of sidecars of one server.
#[derive(Debug)]
pub(crate) struct Fleet {
    seen: Rc<RefCell<Seen>>,
    news: Rc<Notify>,
    groups: usize,
    size: usize,
    tasks: JoinSet<()>,
}

/// How a change came through.
#[derive(Clone, Debug)]
pub(crate) struct Spread {
    /// After what time each stream had accepted it, ascending.
    pub(crate) accepted: Vec<Duration>,
}

/// What one sidecar is.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Where the server is.
    pub(crate) server: SocketAddr,
    /// The variant it speaks.
    pub(crate) variant: Variant,
    /// Bytes of its node message that no server needs; Envoy lists its extensions there.
    pub(crate) ballast: usize,
}

impl Fleet {
    /// Starts `size` sidecars.
    pub(crate) fn start(plan: &Plan, size: usize, groups: usize) -> Self {
        let seen = Rc::new(RefCell::new(Seen::default()));
        let news = Rc::new(Notify::new());
        let opening = Rc::new(Semaphore::new(OPENING));
        let mut tasks = JoinSet::new();
        for number in 0..size {
            let (seen, news) = (Rc::clone(&seen), Rc::clone(&news));
            let (plan, opening) = (plan.clone(), Rc::clone(&opening));
            tasks.spawn_local(async move {
                loop {
                    // Why a stream ended does not matter: the fleet notices that it is not configured.
                    let mut counted = false;
                    let end = live(&plan, number, groups, &opening, &seen, &news, &mut counted);
                    if let Err(error) = end.await
                        && !error.is::<std::io::Error>()
                    {
                        eprintln!("sidecar {number}: {error:#}");
                    }
                    seen.borrow_mut().configured -= usize::from(counted);
                    seen.borrow_mut().lost += 1;
                    news.notify_one();
                    tokio::time::sleep(RETRY).await;
                }
            });
        }
        Self {
            seen,
            news,
            groups,
            size,
            tasks,
        }
    }

    /// Streams that ended since the start.
    pub(crate) fn lost(&self) -> usize {
        self.seen.borrow().lost
    }

    /// Bytes and responses received since the start.
    pub(crate) fn received(&self) -> (u64, u64) {
        let seen = self.seen.borrow();
        (seen.received, seen.responses)
    }

    async fn until(&self, what: &str, done: impl Fn(&Seen) -> bool) -> anyhow::Result<()> {
        let waiting = async {
            while !done(&self.seen.borrow()) {
                self.news.notified().await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting)
            .await
            .with_context(|| format!("{what}: {:?}", self.seen.borrow().configured))
    }

    /// Waits until all streams are gone.
    pub(crate) async fn cut(&self) -> anyhow::Result<()> {
        self.until("streams to end", |seen| seen.configured == 0)
            .await
    }

    /// Waits until all sidecars have all of their configuration.
    pub(crate) async fn configured(&self) -> anyhow::Result<()> {
        let size = self.size;
        self.until("sidecars to be configured", |seen| seen.configured == size)
            .await
    }

    /// Says what is going to change: one resource of a type, the body by group.
    pub(crate) fn expect(&self, ty: ResourceType, expected: Vec<Bytes>) {
        assert_eq!(expected.len(), self.groups, "a body for each group");
        self.seen.borrow_mut().change = Some(Change {
            ty,
            expected: expected.into_iter().map(|body| vec![body]).collect(),
            since: Instant::now(),
            accepted: Vec::with_capacity(self.size),
        });
    }

    /// Waits until every sidecar has accepted the change.
    pub(crate) async fn accepted(&self) -> anyhow::Result<Spread> {
        let size = self.size;
        self.until("a change to be accepted", |seen| {
            let change = seen.change.as_ref();
            change.is_none_or(|change| change.accepted.len() >= size)
        })
        .await?;
        let change = self.seen.borrow_mut().change.take();
        let mut accepted = change.map(|change| change.accepted).unwrap_or_default();
        accepted.sort_unstable();
        Ok(Spread { accepted })
    }

    /// Hangs up.
    pub(crate) async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

/// The life of a stream.
async fn live(
    plan: &Plan,
    number: usize,
    groups: usize,
    opening: &Semaphore,
    seen: &RefCell<Seen>,
    news: &Notify,
    counted: &mut bool,
) -> anyhow::Result<()> {
    let permit = opening.acquire().await?;
    let socket = TcpStream::connect(plan.server).await?;
    drop(permit);
    socket.set_nodelay(true)?;
    let mut wire = Wire::open(socket, plan.variant.path());
    let mut sidecar = Sidecar::new(plan.variant);
    wire.send(&sidecar.hello(&node(number, plan.ballast)));
    loop {
        wire.flush().await?;
        let before = wire.received;
        wire.read().await?;
        seen.borrow_mut().received += wire.received - before;
        while let Some(message) = wire.message() {
            let answer = sidecar.read(message)?;
            wire.send(&sidecar.accept(&answer));
            if let Some(request) = sidecar.proceed(&answer)? {
                wire.send(&request);
            }
            let mut seen = seen.borrow_mut();
            seen.responses += 1;
            if !*counted && sidecar.is_configured() {
                *counted = true;
                seen.configured += 1;
            }
            if let Some(change) = &mut seen.change
                && change.is_in(&answer, number % groups)
            {
                change.accepted.push(change.since.elapsed());
            }
            news.notify_one();
        }
    }
}

/// An encoded `Node`: id, cluster, and an extension of that many bytes.
fn node(number: usize, ballast: usize) -> Vec<u8> {
    let mut node = Node {
        id: mesh::node(number).to_string(),
        cluster: "bench".to_owned(),
        ..Default::default()
    };
    // 1,200 extensions of 50 bytes, as in an Envoy.
    for extension in 0..ballast / 50 {
        node.extensions.push(Extension {
            name: format!("envoy.filters.http.{extension:05}"),
            category: "envoy.filters.http".to_owned(),
            ..Default::default()
        });
    }
    node.encode_to_vec()
}
