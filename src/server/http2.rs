//! One connection: HTTP/2, its limits, and its end.

use std::future::Future;
use std::pin::pin;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use hyper_util::rt::TokioTimer;

use super::entrance::Keepalive;
use super::one_task::SameTask;
use super::routing::Services;
use crate::transport::Connection;
use crate::transport::Peer;

/// A sidecar needs one stream, a client of the services of single types a few.
const MOST_STREAMS: u32 = 1_000;

/// What a client may send before it is read. An Envoy's first request is 60 KB, and a request is read as it comes, so that
/// more would only be what a client could make the server hold.
const STREAM_WINDOW: u32 = 256 << 10;

/// The same for all streams of a connection, so that one that is not read does not keep the others from sending.
const CONNECTION_WINDOW: u32 = 1 << 20;

/// What is taken off a stream before its client reads: beyond it, a newer state can still take the place of an older.
const SEND_BUFFER: usize = 64 << 10;

/// Serves a connection until it is over. Once `stopped` completes, no new streams are taken.
pub(super) async fn serve(
    connection: Connection,
    services: Services,
    keepalive: Keepalive,
    stopped: impl Future<Output = ()> + Send + 'static,
) {
    let services = OfOnePeer {
        peer: connection.peer().clone(),
        services,
    };
    let streams = SameTask::default();
    let connection = http2::Builder::new(streams.clone())
        .timer(TokioTimer::new())
        .keep_alive_interval(keepalive.interval)
        .keep_alive_timeout(keepalive.timeout)
        .max_concurrent_streams(MOST_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .auto_date_header(false)
        .serve_connection(TokioIo::new(connection), services);
    let ended = streams
        .run(
            pin!(connection),
            stopped,
            http2::Connection::graceful_shutdown,
        )
        .await;
    if let Err(error) = ended {
        tracing::debug!(%error, "the connection ended");
    }
}

/// The services, to the client of one connection: each request says who that is.
struct OfOnePeer {
    peer: Peer,
    services: Services,
}

impl Service<Request<Incoming>> for OfOnePeer {
    type Response = <Services as Service<Request<Incoming>>>::Response;
    type Error = <Services as Service<Request<Incoming>>>::Error;
    type Future = <Services as Service<Request<Incoming>>>::Future;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(self.peer.clone());
        self.services.call(request)
    }
}
