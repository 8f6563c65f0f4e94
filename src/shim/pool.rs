//! Connections to the endpoints of one cluster, kept for the next request.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};

use super::body::Body;
use super::config::{MAX_HEADERS, MAX_HEADERS_KIB};
use super::stats::locked;
use super::task::Tasks;

/// Idle connections kept for one endpoint.
const MAX_IDLE: usize = 64;
/// How long a connection may take to become idle after an answer was read to its end.
const SETTLE: Duration = Duration::from_secs(5);

/// No answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    /// There is nothing to connect to.
    #[error("no address")]
    NoAddress,
    /// No connection, not even within the time for it.
    #[error("cannot connect to {0}")]
    Connect(SocketAddr, #[source] std::io::Error),
    /// The connection broke, or what came over it was no HTTP.
    #[error("no answer")]
    Http(#[from] hyper::Error),
}

/// The connections of a cluster.
#[derive(Debug)]
pub(super) struct Pool {
    tasks: Tasks,
    /// How long a connection may be idle and still be used again.
    idle_timeout: Duration,
    /// Whether a connection carries one request only.
    single_use: bool,
    idle: Mutex<HashMap<SocketAddr, Vec<Idle>>>,
    shared: Mutex<HashMap<SocketAddr, http2::SendRequest<Body>>>,
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
    Http1(Option<(Arc<Pool>, SocketAddr, Http1)>),
    Alone(#[expect(dead_code, reason = "only its end matters")] Alone),
    Shared,
}

impl Lease {
    /// The answer was read to its end: the connection may be used again.
    pub(super) fn release(mut self) {
        if let Use::Http1(held) = &mut self.0
            && let Some((pool, address, mut connection)) = held.take()
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
            idle: Mutex::default(),
            shared: Mutex::default(),
        }
    }

    fn put(&self, address: SocketAddr, connection: Http1) {
        let mut idle = locked(&self.idle);
        let idle = idle.entry(address).or_default();
        idle.retain(|idle| self.is_usable(idle));
        if idle.len() < MAX_IDLE {
            let since = Instant::now();
            idle.push(Idle { connection, since });
        }
    }

    /// A connection that has been idle for long is about to be closed by the other side.
    fn is_usable(&self, idle: &Idle) -> bool {
        !idle.connection.sender.is_closed() && idle.since.elapsed() < self.idle_timeout
    }

    fn take(&self, addresses: &[SocketAddr]) -> Option<(SocketAddr, Http1)> {
        let mut idle = locked(&self.idle);
        addresses.iter().find_map(|address| {
            let idle = idle.get_mut(address)?;
            let ready = std::iter::from_fn(|| idle.pop())
                .find(|idle| self.is_usable(idle) && idle.connection.sender.is_ready());
            Some((*address, ready?.connection))
        })
    }

    /// Closes what is idle at endpoints that are no more.
    pub(super) fn retain(&self, keep: impl Fn(&SocketAddr) -> bool) {
        locked(&self.idle).retain(|address, _| keep(address));
        locked(&self.shared).retain(|address, _| keep(address));
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
        let driver = self.tasks.spawn(async move {
            if let Err(error) = driver.with_upgrades().await {
                tracing::debug!(%address, %error, "connection ended");
            }
        });
        let mut connection = Http1 {
            sender,
            driver: driver.abort_handle(),
        };
        let response = connection.sender.send_request(request).await?;
        Ok((response, self.lease(address, connection)))
    }

    fn lease(self: &Arc<Self>, address: SocketAddr, connection: Http1) -> Lease {
        Lease(Use::Http1(Some((Arc::clone(self), address, connection))))
    }

    /// Sends a request in absolute form over HTTP/2.
    pub(super) async fn http2(
        &self,
        addresses: &[SocketAddr],
        connect_timeout: Duration,
        mut request: Request<Body>,
    ) -> Result<(Response<Incoming>, Lease), SendError> {
        let known = {
            let shared = locked(&self.shared);
            let mut found = addresses.iter().filter_map(|address| shared.get(address));
            found.find(|sender| !sender.is_closed()).cloned()
        };
        if let Some(mut sender) = known {
            match sender.try_send_request(request).await {
                Ok(response) => return Ok((response, Lease(Use::Shared))),
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(error.into_error().into()),
                },
            }
        }
        let (address, stream) = connect(addresses, connect_timeout).await?;
        let (mut sender, driver) =
            http2::handshake(self.tasks.clone(), TokioIo::new(stream)).await?;
        let driver = self.tasks.spawn(async move {
            if let Err(error) = driver.await {
                tracing::debug!(%address, %error, "connection ended");
            }
        });
        if self.single_use {
            let alone = Alone(driver.abort_handle());
            let response = sender.send_request(request).await?;
            return Ok((response, Lease(Use::Alone(alone))));
        }
        locked(&self.shared).insert(address, sender.clone());
        Ok((sender.send_request(request).await?, Lease(Use::Shared)))
    }
}

/// A connection to the first address that takes one. Each has its own time for it.
async fn connect(
    addresses: &[SocketAddr],
    limit: Duration,
) -> Result<(SocketAddr, TcpStream), SendError> {
    let mut failure = SendError::NoAddress;
    for address in addresses {
        let stream = timeout(limit, TcpStream::connect(address))
            .await
            .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
            .and_then(|stream| stream.set_nodelay(true).map(|()| stream));
        match stream {
            Ok(stream) => return Ok((*address, stream)),
            Err(error) => failure = SendError::Connect(*address, error),
        }
    }
    Err(failure)
}
