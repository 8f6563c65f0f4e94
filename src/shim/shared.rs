//! HTTP/2 connections, and whether they are in use.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::client::conn::http2;
use tokio::time::Instant;

use super::body::Body;
use super::stats::locked;

/// An HTTP/2 connection, for any number of requests at once. Dropped, it is closed after the last of them.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) sender: http2::SendRequest<Body>,
    streams: Arc<Mutex<Streams>>,
}

/// The requests under way on one HTTP/2 connection.
#[derive(Debug)]
struct Streams {
    open: usize,
    /// When the last one began or ended.
    since: Instant,
}

impl Shared {
    pub(super) fn new(sender: http2::SendRequest<Body>) -> Self {
        let since = Instant::now();
        Self {
            sender,
            streams: Arc::new(Mutex::new(Streams { open: 0, since })),
        }
    }

    /// Counts a request.
    pub(super) fn begin(&self) -> Stream {
        let mut now = locked(&self.streams);
        now.open += 1;
        now.since = Instant::now();
        Stream(Arc::clone(&self.streams))
    }

    /// When it has been idle for too long; not known while there are requests under way, or if that is never.
    pub(super) fn expires(&self, idle_timeout: Duration) -> Option<Instant> {
        let streams = locked(&self.streams);
        let idle = (streams.open == 0).then_some(streams.since)?;
        idle.checked_add(idle_timeout)
    }
}

/// One request on an HTTP/2 connection.
#[derive(Debug)]
pub(super) struct Stream(Arc<Mutex<Streams>>);

impl Drop for Stream {
    fn drop(&mut self) {
        let mut streams = locked(&self.0);
        streams.open -= 1;
        streams.since = Instant::now();
    }
}
