//! Connections to the endpoints of one cluster, kept for the next request.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until, timeout};

use super::body::Body;
use super::config::{MAX_HEADERS, MAX_HEADERS_KIB};
use super::connect::{SendError, connect};
use super::shared::{Shared, Stream};
use super::stats::locked;
use super::task::Tasks;

/// Idle connections kept for one endpoint.
const MAX_IDLE: usize = 64;
/// How long a connection may take to become idle after an answer was read to its end.
const SETTLE: Duration = Duration::from_secs(5);

/// The connections of a cluster.
#[derive(Debug)]
pub(super) struct Pool {
    tasks: Tasks,
    /// A connection that is idle for this long is closed.
    idle_timeout: Duration,
    /// Whether a connection carries one request only.
    single_use: bool,
    kept: Mutex<Kept>,
}

/// What is open. An address without a connection has no entry.
#[derive(Debug, Default)]
struct Kept {
    idle: HashMap<SocketAddr, Vec<Idle>>,
    shared: HashMap<SocketAddr, Shared>,
    /// Closes what is idle for too long. There is one for as long as there is anything that may become so.
    sweeper: Option<AbortHandle>,
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(sweeper) = &self.sweeper {
            sweeper.abort();
        }
    }
}

/// A connection that waits for its next request.
#[derive(Debug)]
struct Idle {
    connection: Http1,
    since: Instant,
}

/// An HTTP/1.1 connection. Dropped, it is closed at once, whatever is under way on it.
#[derive(Debug)]
struct Http1 {
    sender: http1::SendRequest<Body>,
    driver: AbortHandle,
}

impl Drop for Http1 {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// An HTTP/2 connection of one request. Dropped, it is closed at once, even if the server does not read.
#[derive(Debug)]
struct Alone(AbortHandle);

impl Drop for Alone {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The use of a connection for one request. Dropped before it is released, it closes a connection of its own.
#[derive(Debug)]
pub(super) struct Lease(Use);

#[derive(Debug)]
enum Use {
    Http1(Arc<Pool>, SocketAddr, Http1),
    Alone(#[expect(dead_code, reason = "only its end matters")] Alone),
    Shared(#[expect(dead_code, reason = "only its end counts")] Stream),
}

impl Lease {
    /// The answer was read to its end: the connection may be used again.
    pub(super) fn release(self) {
        if let Use::Http1(pool, address, mut connection) = self.0
            && !pool.single_use
        {
            if connection.sender.is_ready() {
                pool.put(address, connection);
                return;
            }
            let tasks = pool.tasks.clone();
            tasks.spawn(async move {
                if let Ok(Ok(())) = timeout(SETTLE, connection.sender.ready()).await {
                    pool.put(address, connection);
                }
            });
        }
    }
}

impl Pool {
    pub(super) fn new(idle_timeout: Duration, single_use: bool, tasks: Tasks) -> Self {
        Self {
            tasks,
            idle_timeout,
            single_use,
            kept: Mutex::default(),
        }
    }

    fn put(self: &Arc<Self>, address: SocketAddr, connection: Http1) {
        let mut kept = locked(&self.kept);
        if connection.sender.is_closed() {
            return;
        }
        let idle = kept.idle.entry(address).or_default();
        if idle.len() < MAX_IDLE {
            let since = Instant::now();
            idle.push(Idle { connection, since });
        }
        self.sweep_later(&mut kept);
    }

    fn take(&self, addresses: &[SocketAddr]) -> Option<(SocketAddr, Http1)> {
        let mut kept = locked(&self.kept);
        addresses.iter().find_map(|address| {
            let Entry::Occupied(mut entry) = kept.idle.entry(*address) else {
                return None;
            };
            let idle = entry.get_mut();
            let ready = std::iter::from_fn(|| idle.pop()).find(|idle| {
                // One that has been idle for long may not have been swept yet.
                idle.connection.sender.is_ready() && idle.since.elapsed() < self.idle_timeout
            });
            if idle.is_empty() {
                entry.remove();
            }
            Some((*address, ready?.connection))
        })
    }

    /// Closes what is idle at endpoints that are no more.
    pub(super) fn retain(&self, keep: impl Fn(&SocketAddr) -> bool) {
        let mut kept = locked(&self.kept);
        kept.idle.retain(|address, _| keep(address));
        kept.shared.retain(|address, _| keep(address));
    }

    /// Sees to it that there is a sweeper.
    fn sweep_later(self: &Arc<Self>, kept: &mut Kept) {
        let None = kept.sweeper else { return };
        let Some(mut next) = Instant::now().checked_add(self.idle_timeout) else {
            return;
        };
        let pool = Arc::downgrade(self);
        let sweeper = self.tasks.spawn(async move {
            loop {
                sleep_until(next).await;
                match pool.upgrade().and_then(|pool| pool.sweep()) {
                    Some(then) => next = then,
                    None => return,
                }
            }
        });
        kept.sweeper = Some(sweeper.abort_handle());
    }

    /// Closes what has been idle for too long, and says when to look again. The sweeper ends when there is nothing left.
    fn sweep(&self) -> Option<Instant> {
        let mut kept = locked(&self.kept);
        let now = Instant::now();
        kept.idle.retain(|_, idle| {
            idle.retain(|idle| now.duration_since(idle.since) < self.idle_timeout);
            !idle.is_empty()
        });
        kept.shared.retain(|_, shared| {
            let expires = shared.expires(self.idle_timeout);
            expires.is_none_or(|expires| now < expires)
        });
        // The connection that has been idle for longest is the first.
        let idle = kept.idle.values().filter_map(|idle| idle.first());
        let idle = idle.filter_map(|idle| idle.since.checked_add(self.idle_timeout));
        let shared = kept.shared.values().filter_map(|shared| {
            // One at work may be idle in a moment.
            let working = || now.checked_add(self.idle_timeout);
            shared.expires(self.idle_timeout).or_else(working)
        });
        let next = idle.chain(shared).min();
        if next.is_none() {
            kept.sweeper = None;
        }
        next
    }

    /// Forgets connections that have ended.
    fn forget_closed(&self, address: SocketAddr) {
        let mut kept = locked(&self.kept);
        if let Entry::Occupied(mut entry) = kept.idle.entry(address) {
            entry
                .get_mut()
                .retain(|idle| !idle.connection.sender.is_closed());
            if entry.get().is_empty() {
                entry.remove();
            }
        }
        if let Entry::Occupied(entry) = kept.shared.entry(address)
            && entry.get().sender.is_closed()
        {
            entry.remove();
        }
    }

    /// Runs a connection. Its end is seen even if nobody asks for it.
    fn drive(
        self: &Arc<Self>,
        address: SocketAddr,
        connection: impl Future<Output = hyper::Result<()>> + Send + 'static,
    ) -> AbortHandle {
        let pool: Weak<Self> = Arc::downgrade(self);
        let driver = self.tasks.spawn(async move {
            let ended = connection.await;
            if let Err(error) = ended {
                tracing::debug!(%address, %error, "connection ended");
            }
            if let Some(pool) = pool.upgrade() {
                pool.forget_closed(address);
            }
        });
        driver.abort_handle()
    }

    /// Sends a request in origin form over HTTP/1.1.
    pub(super) async fn http1(
        self: &Arc<Self>,
        addresses: &[SocketAddr],
        connect_timeout: Duration,
        mut request: Request<Body>,
    ) -> Result<(Response<Incoming>, Lease), SendError> {
        while let Some((address, mut connection)) = self.take(addresses) {
            match connection.sender.try_send_request(request).await {
                Ok(response) => return Ok((response, self.lease(address, connection))),
                // The connection was closed before anything of the request was sent: it may be sent again.
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(error.into_error().into()),
                },
            }
        }
        let (address, stream) = connect(addresses, connect_timeout).await?;
        let (sender, driver) = http1::Builder::new()
            .preserve_header_case(true)
            .max_headers(MAX_HEADERS as usize)
            .max_buf_size((MAX_HEADERS_KIB as usize) << 10)
            .handshake(TokioIo::new(stream))
            .await?;
        let mut connection = Http1 {
            sender,
            driver: self.drive(address, driver.with_upgrades()),
        };
        let response = connection.sender.send_request(request).await?;
        Ok((response, self.lease(address, connection)))
    }

    fn lease(self: &Arc<Self>, address: SocketAddr, connection: Http1) -> Lease {
        Lease(Use::Http1(Arc::clone(self), address, connection))
    }

    /// Sends a request in absolute form over HTTP/2.
    pub(super) async fn http2(
        self: &Arc<Self>,
        addresses: &[SocketAddr],
        connect_timeout: Duration,
        mut request: Request<Body>,
    ) -> Result<(Response<Incoming>, Lease), SendError> {
        if let Some((mut sender, stream)) = self.share(addresses) {
            match sender.try_send_request(request).await {
                Ok(response) => return Ok((response, Lease(Use::Shared(stream)))),
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(error.into_error().into()),
                },
            }
        }
        let (address, stream) = connect(addresses, connect_timeout).await?;
        let (mut sender, driver) =
            http2::handshake(self.tasks.clone(), TokioIo::new(stream)).await?;
        if self.single_use {
            let driver = self.tasks.spawn(async move {
                if let Err(error) = driver.await {
                    tracing::debug!(%address, %error, "connection ended");
                }
            });
            let alone = Alone(driver.abort_handle());
            let response = sender.send_request(request).await?;
            return Ok((response, Lease(Use::Alone(alone))));
        }
        let shared = Shared::new(sender.clone());
        let stream = shared.begin();
        {
            let mut kept = locked(&self.kept);
            kept.shared.insert(address, shared);
            self.sweep_later(&mut kept);
        }
        self.drive(address, driver);
        let response = sender.send_request(request).await?;
        Ok((response, Lease(Use::Shared(stream))))
    }

    /// A connection that others may use as well.
    fn share(&self, addresses: &[SocketAddr]) -> Option<(http2::SendRequest<Body>, Stream)> {
        let kept = locked(&self.kept);
        let mut known = addresses
            .iter()
            .filter_map(|address| kept.shared.get(address));
        let shared = known.find(|shared| !shared.sender.is_closed())?;
        Some((shared.sender.clone(), shared.begin()))
    }
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
