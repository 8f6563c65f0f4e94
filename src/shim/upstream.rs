//! One cluster at work: endpoints, breakers, connections, counters.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri, Version, header};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};

use super::body::{Body, BoxError};
use super::config::{Cluster, Discovery, Endpoints, Protocol};
use super::connect::SendError;
use super::edit;
use super::pool::{Lease, Pool};
use super::stats::ClusterStats;
use super::task::Tasks;
use super::trace;

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The cluster has no endpoint.
    #[error("no endpoint")]
    NoEndpoint,
    /// The circuit breakers are open.
    #[error("too many requests at once")]
    Overflow,
    /// It took longer than `max_stream_duration`.
    #[error("took too long")]
    Timeout,
    /// The host is not known to DNS.
    #[error("the host `{0}` cannot be found")]
    Resolve(String, #[source] std::io::Error),
    /// The request cannot be written as a URI.
    #[error("not a valid authority")]
    Authority(#[from] http::Error),
    /// No connection or no answer.
    #[error(transparent)]
    Send(#[from] SendError),
}

/// A cluster with its endpoints. A change of either makes a new one, with the same connections and counters.
#[derive(Clone, Debug)]
pub(super) struct Upstream {
    pub(super) cluster: Arc<Cluster>,
    pub(super) endpoints: Endpoints,
    live: Arc<Live>,
}

#[derive(Debug)]
struct Live {
    pool: Arc<Pool>,
    next: AtomicUsize,
    active: Arc<AtomicU64>,
    connections: Arc<Semaphore>,
    stats: Arc<ClusterStats>,
}

/// A place within the breakers; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Admitted(Arc<AtomicU64>);

impl Drop for Admitted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Upstream {
    /// A new cluster.
    pub(super) fn new(
        cluster: Arc<Cluster>,
        endpoints: Endpoints,
        stats: Arc<ClusterStats>,
        tasks: Tasks,
    ) -> Self {
        let permits = usize::try_from(cluster.breakers.connections).unwrap_or(usize::MAX);
        // As in Envoy, one connection is always allowed.
        let live = Live {
            pool: Arc::new(Pool::new(cluster.idle_timeout, cluster.single_use, tasks)),
            next: AtomicUsize::new(0),
            active: Arc::default(),
            connections: Arc::new(Semaphore::new(permits.clamp(1, Semaphore::MAX_PERMITS))),
            stats,
        };
        Self {
            cluster,
            endpoints,
            live: Arc::new(live),
        }
    }

    /// The same cluster with other endpoints.
    pub(super) fn with_endpoints(&self, endpoints: Endpoints) -> Self {
        if endpoints != self.endpoints {
            self.live.pool.retain(|address| endpoints.contains(address));
        }
        Self {
            endpoints,
            ..self.clone()
        }
    }

    /// Whether there is nowhere to send a request to.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self.cluster.discovery, Discovery::Eds(_)) && self.endpoints.is_empty()
    }

    pub(super) fn stats(&self) -> &ClusterStats {
        &self.live.stats
    }

    /// A place within the breakers. Requests over HTTP/1.1 beyond the number of connections wait for one, at most as
    /// many as may be pending.
    pub(super) fn admit(&self) -> Result<Admitted, Failure> {
        let breakers = &self.cluster.breakers;
        let waiting = u64::from(breakers.connections) + u64::from(breakers.pending);
        let limit = waiting.min(u64::from(breakers.requests));
        let active = &self.live.active;
        active
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| {
                (now < limit).then_some(now + 1)
            })
            .map(|_| Admitted(Arc::clone(active)))
            .map_err(|_| Failure::Overflow)
    }

    /// Sends a request to the next endpoint. Its headers are ready to go; `authority` is what its Host says.
    pub(super) async fn send(
        &self,
        admitted: Admitted,
        downstream: Version,
        authority: &str,
        request: Request<Body>,
    ) -> Result<Response<Answer>, Failure> {
        let deadline = self
            .cluster
            .max_stream_duration
            .map(|bound| Instant::now() + bound);
        let sending = self.send_unbounded(downstream, authority, request);
        let (response, lease, permit) = match deadline {
            Some(deadline) => timeout_at(deadline, sending)
                .await
                .map_err(|_| Failure::Timeout)??,
            None => sending.await?,
        };
        Ok(response.map(|inner| Answer {
            inner,
            deadline: deadline.map(|deadline| Box::pin(sleep_until(deadline))),
            lease: Some(lease),
            _admitted: admitted,
            _connection: permit,
        }))
    }

    async fn send_unbounded(
        &self,
        downstream: Version,
        authority: &str,
        mut request: Request<Body>,
    ) -> Result<(Response<Incoming>, Lease, Option<OwnedSemaphorePermit>), Failure> {
        let addresses = self.addresses(authority).await?;
        let connect_timeout = self.cluster.connect_timeout;
        let pool = &self.live.pool;
        let path = request
            .uri()
            .path_and_query()
            .map_or("/", |path| path.as_str())
            .to_owned();
        let filters = &self.cluster.filters;
        if let Some(flag) = filters.tracing {
            trace::decide(request.headers_mut(), flag);
        }
        edit::apply(&filters.headers, request.headers_mut());
        let path = filters.path(path);
        let two = match self.cluster.protocol {
            Protocol::Downstream => downstream == Version::HTTP_2,
            Protocol::Http1 => false,
            Protocol::Http2 => true,
        };
        if two {
            *request.version_mut() = Version::HTTP_2;
            request.headers_mut().remove(header::HOST);
            *request.uri_mut() = Uri::builder()
                .scheme("http")
                .authority(authority)
                .path_and_query(path)
                .build()?;
            let (response, lease) = pool.http2(&addresses, connect_timeout, request).await?;
            return Ok((response, lease, None));
        }
        *request.version_mut() = Version::HTTP_11;
        *request.uri_mut() = Uri::builder().path_and_query(path).build()?;
        // Without the header, hyper would leave out the body of a GET or HEAD.
        if request.body().size_hint().exact().is_none() {
            let chunked = HeaderValue::from_static("chunked");
            request
                .headers_mut()
                .insert(header::TRANSFER_ENCODING, chunked);
        }
        let permit = Arc::clone(&self.live.connections)
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        let (response, lease) = pool.http1(&addresses, connect_timeout, request).await?;
        Ok((response, lease, Some(permit)))
    }

    /// The next endpoint in turn, or the addresses of the host.
    async fn addresses(&self, authority: &str) -> Result<Vec<SocketAddr>, Failure> {
        match &self.cluster.discovery {
            Discovery::Eds(_) => {
                let turn = self.live.next.fetch_add(1, Ordering::Relaxed);
                let index = turn
                    .checked_rem(self.endpoints.len())
                    .ok_or(Failure::NoEndpoint)?;
                self.endpoints
                    .get(index)
                    .map(|address| vec![*address])
                    .ok_or(Failure::NoEndpoint)
            }
            Discovery::Host(host, port) => resolve(host, *port).await,
            Discovery::Dynamic => {
                let authority: http::uri::Authority =
                    authority.parse().map_err(http::Error::from)?;
                let host = authority
                    .host()
                    .trim_start_matches('[')
                    .trim_end_matches(']');
                resolve(host, authority.port_u16().unwrap_or(80)).await
            }
        }
    }
}

/// The addresses of a host.
async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, Failure> {
    let unknown = |error| Failure::Resolve(host.to_owned(), error);
    let found = tokio::net::lookup_host((host, port))
        .await
        .map_err(unknown)?;
    let mut found: Vec<_> = found.collect();
    // IPv4 first: a host with both is more often reachable by it.
    found.sort_by_key(SocketAddr::is_ipv6);
    Ok(found)
}

/// The body of an answer. It holds the connection and the place within the breakers until it ends.
pub(super) struct Answer {
    inner: Incoming,
    deadline: Option<Pin<Box<Sleep>>>,
    lease: Option<Lease>,
    _admitted: Admitted,
    _connection: Option<OwnedSemaphorePermit>,
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(deadline) = &mut self.deadline
            && deadline.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Some(Err(Failure::Timeout.into())));
        }
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        if let Poll::Ready(None) = polled
            && let Some(lease) = self.lease.take()
        {
            lease.release();
        }
        polled.map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        // Whoever writes a body of known length stops at its last byte and does not ask for the end.
        if self.inner.is_end_stream()
            && let Some(lease) = self.lease.take()
        {
            lease.release();
        }
    }
}
