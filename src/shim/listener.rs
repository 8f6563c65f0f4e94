//! Sockets: bound as LDS says, drained when they are gone.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::config::Listener;
use super::config::{MAX_HEADERS, MAX_HEADERS_KIB};
use super::proxy::Proxy;

/// Time between two attempts to bind an address.
const RETRY: Duration = Duration::from_millis(500);
/// As long as Envoy does, a new listener waits for routes and endpoints; then it serves with what it has.
const WARMING: Duration = Duration::from_secs(15);

/// The addresses that are served, by listener.
pub(super) type Serving = BTreeMap<String, SocketAddr>;

/// What the sockets are told.
pub(super) enum Command {
    /// The listeners there should be. The reply names those that cannot be bound, with the reason; they are tried again
    /// until the next command, as far as no socket that serves has to be closed for it.
    Apply(
        BTreeMap<String, Listener>,
        oneshot::Sender<Vec<(String, String)>>,
    ),
    /// Serve nothing more, and reply when the last connection has ended.
    Drain(oneshot::Sender<()>),
}

/// An open socket. Dropped, it drains.
struct Open {
    configured: SocketAddr,
    /// With the real port, where port 0 was asked for.
    bound: SocketAddr,
    drain: watch::Sender<()>,
    accepting: JoinHandle<()>,
}

/// What to do with the old socket of a listener if the new one cannot be bound beside it, as where only one of them is
/// for all addresses.
#[derive(Clone, Copy, PartialEq)]
enum InTheWay {
    /// Close it first. Its connections drain, so this is done once for each command.
    Close,
    /// Keep it.
    Leave,
}

/// All sockets.
pub(super) struct Listeners {
    proxy: Arc<Proxy>,
    serving: Arc<watch::Sender<Serving>>,
    open: BTreeMap<String, Open>,
    wanted: BTreeMap<String, SocketAddr>,
    /// Every connection holds a clone: when the last is gone, the receiver ends.
    connections: (mpsc::Sender<Infallible>, mpsc::Receiver<Infallible>),
}

impl Listeners {
    pub(super) fn new(proxy: Arc<Proxy>, serving: watch::Sender<Serving>) -> Self {
        Self {
            proxy,
            serving: Arc::new(serving),
            open: BTreeMap::new(),
            wanted: BTreeMap::new(),
            connections: mpsc::channel(1),
        }
    }

    /// Follows the commands until there are no more.
    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        loop {
            let all_bound = self.wanted.iter().all(|(name, address)| {
                self.open
                    .get(name)
                    .is_some_and(|open| open.configured == *address)
            });
            tokio::select! {
                command = commands.recv() => match command {
                    Some(Command::Apply(listeners, reply)) => {
                        self.wanted =
                            listeners.into_iter().map(|(name, listener)| (name, listener.address)).collect();
                        // The answer is of no use if nobody waits for it any more.
                        drop(reply.send(self.reconcile(InTheWay::Close).await));
                    }
                    Some(Command::Drain(reply)) => {
                        self.wanted.clear();
                        self.reconcile(InTheWay::Close).await;
                        let (mine, mut ended) = self.connections;
                        drop(mine);
                        // Nothing is ever sent: this is the end of the last connection.
                        ended.recv().await;
                        reply.send(()).ok();
                        return;
                    }
                    None => return,
                },
                () = sleep(RETRY), if !all_bound => {
                    self.reconcile(InTheWay::Leave).await;
                }
            }
        }
    }

    /// Makes the sockets what is wanted, and returns what cannot be bound. A listener whose new address cannot be bound
    /// stays where it was.
    async fn reconcile(&mut self, in_the_way: InTheWay) -> Vec<(String, String)> {
        let gone: Vec<_> = self
            .open
            .keys()
            .filter(|name| !self.wanted.contains_key(*name))
            .cloned()
            .collect();
        for name in gone {
            self.close(&name).await;
        }
        let mut failed = Vec::new();
        for (name, address) in self.wanted.clone() {
            let old = self.open.get(&name).map(|open| open.configured);
            if old == Some(address) {
                continue;
            }
            let mut bound = bind(address).await;
            if let Err(error) = &bound
                && error.kind() == io::ErrorKind::AddrInUse
                && in_the_way == InTheWay::Close
            {
                bound = self.replace(&name, address).await.unwrap_or(bound);
            }
            match bound {
                Ok(socket) => self.open(name, address, socket),
                Err(error) => {
                    // The rejection says so once; the attempts after it need not.
                    tracing::debug!(listener = name, %address, %error, "cannot bind");
                    failed.push((name, format!("cannot bind {address}: {error}")));
                }
            }
        }
        failed
    }

    /// Binds another address of the port that the listener has itself, without its old socket; if that fails too, the old
    /// one is opened again. `None` if it is another port.
    async fn replace(&mut self, name: &str, address: SocketAddr) -> Option<io::Result<Bound>> {
        let old = self.open.get(name)?;
        let (configured, before) = (old.configured, old.bound);
        if before.port() != address.port() {
            return None;
        }
        self.close(name).await;
        let bound = bind(address).await;
        if bound.is_err() {
            match bind(before).await {
                Ok(again) => self.open(name.to_owned(), configured, again),
                Err(error) => {
                    tracing::warn!(listener = name, address = %before, %error, "cannot bind again");
                }
            }
        }
        Some(bound)
    }

    async fn close(&mut self, name: &str) {
        if let Some(Open {
            drain, accepting, ..
        }) = self.open.remove(name)
        {
            drop(drain);
            self.serving.send_modify(|serving| {
                serving.remove(name);
            });
            if let Err(error) = accepting.await {
                tracing::debug!(%error, "accepting ended");
            }
        }
    }

    fn open(&mut self, name: String, configured: SocketAddr, (socket, bound): Bound) {
        let (drain, draining) = watch::channel(());
        let accepting = self.proxy.tasks.spawn(accept(
            Arc::clone(&self.proxy),
            name.clone(),
            (socket, bound),
            Arc::clone(&self.serving),
            draining,
            self.connections.0.clone(),
        ));
        let open = Open {
            configured,
            bound,
            drain,
            accepting,
        };
        // What was there before drains by being dropped.
        self.open.insert(name, open);
    }
}

/// A socket and its address.
type Bound = (TcpListener, SocketAddr);

async fn bind(address: SocketAddr) -> io::Result<Bound> {
    let socket = TcpListener::bind(address).await?;
    let bound = socket.local_addr()?;
    Ok((socket, bound))
}

async fn accept(
    proxy: Arc<Proxy>,
    name: String,
    (socket, address): Bound,
    serving: Arc<watch::Sender<Serving>>,
    mut draining: watch::Receiver<()>,
    connection: mpsc::Sender<Infallible>,
) {
    let mut plane = proxy.plane.clone();
    let warm = timeout(WARMING, plane.wait_for(|plane| plane.warm.contains(&name)));
    tokio::select! {
        _ = draining.changed() => return,
        warm = warm => drop(warm),
    }
    tracing::info!(listener = name, %address, "serving");
    serving.send_modify(|serving| {
        serving.insert(name.clone(), address);
    });
    loop {
        let accepted = tokio::select! {
            _ = draining.changed() => return,
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let serve = serve(Arc::clone(&proxy), name.clone(), stream, draining.clone());
                let alive = connection.clone();
                proxy.tasks.spawn(async move {
                    serve.await;
                    drop(alive);
                });
            }
            // Such as too many open files: it passes, and must not spin meanwhile.
            Err(error) => {
                tracing::warn!(listener = name, %error, "cannot accept");
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn serve(
    proxy: Arc<Proxy>,
    name: String,
    stream: TcpStream,
    mut draining: watch::Receiver<()>,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let mut builder = auto::Builder::new(proxy.tasks.clone());
    // What the upstream does not say is not said.
    let streams = proxy
        .plane
        .borrow()
        .listeners
        .get(&name)
        .map(|listener| listener.streams);
    builder
        .http1()
        .auto_date_header(false)
        .preserve_header_case(true)
        .max_headers(MAX_HEADERS as usize)
        .max_buf_size((MAX_HEADERS_KIB as usize) << 10);
    builder
        .http2()
        .auto_date_header(false)
        .max_concurrent_streams(streams)
        .max_header_list_size(MAX_HEADERS_KIB << 10);
    let name: Arc<str> = name.into();
    let service = service_fn(move |request| {
        let (proxy, name) = (Arc::clone(&proxy), Arc::clone(&name));
        async move { Ok::<_, Infallible>(proxy.serve(&name, request).await) }
    });
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = draining.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error, "connection ended");
    }
}
