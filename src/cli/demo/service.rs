//! The two versions of the demo's service: tiny HTTP servers with an access log.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use http::header::{HOST, USER_AGENT};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::super::output;

/// How many access log lines are remembered.
const REMEMBERED: usize = 3;

/// A running service; dropping it stops it.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) name: &'static str,
    pub(super) address: SocketAddr,
    log: Arc<AccessLog>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct AccessLog {
    requests: AtomicUsize,
    aloud: AtomicBool,
    first: Mutex<Vec<String>>,
}

impl Service {
    /// Starts the service on a free port of the loopback interface.
    pub(super) async fn start(name: &'static str) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let log = Arc::new(AccessLog::default());
        let task = tokio::spawn(accept(listener, name, Arc::clone(&log)));
        Ok(Self {
            name,
            address,
            log,
            task,
        })
    }

    /// How many requests it has seen.
    pub(super) fn requests(&self) -> usize {
        self.log.requests.load(Ordering::Relaxed)
    }

    /// The first lines of its access log since the last call.
    pub(super) fn first_lines(&self) -> Vec<String> {
        self.log
            .first
            .lock()
            .map(|mut lines| std::mem::take(&mut *lines))
            .unwrap_or_default()
    }

    /// From now on, prints each access log line.
    pub(super) fn speak(&self) {
        self.log.aloud.store(true, Ordering::Relaxed);
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, name: &'static str, log: Arc<AccessLog>) {
    while let Ok((stream, peer)) = listener.accept().await {
        let log = Arc::clone(&log);
        let answer = service_fn(move |request| answer(request, name, peer, Arc::clone(&log)));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
    }
}

async fn answer(
    request: Request<Incoming>,
    name: &'static str,
    peer: SocketAddr,
    log: Arc<AccessLog>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    // The body is read to its end, as a real service would; what it says does not matter here.
    body.collect().await.ok();
    let answer = format!("hello from {name}\n");
    let header = |key| {
        head.headers
            .get(key)
            .and_then(|value| value.to_str().ok())
            .unwrap_or("-")
    };
    let mark = head
        .headers
        .get("x-mirror-shadow")
        .and_then(|value| value.to_str().ok());
    let line = format!(
        "{} - - \"{} {} {:?}\" 200 {} \"{}\" host={}{}",
        peer.ip(),
        head.method,
        head.uri,
        head.version,
        answer.len(),
        header(USER_AGENT),
        header(HOST),
        mark.map(|rule| format!(" copy-of-rule={rule}"))
            .unwrap_or_default(),
    );
    log.requests.fetch_add(1, Ordering::Relaxed);
    if log.aloud.load(Ordering::Relaxed) {
        // The demo goes on when nobody reads its output.
        output::print(format_args!("  {name} | {line}")).ok();
    } else if let Ok(mut first) = log.first.lock()
        && first.len() < REMEMBERED
    {
        first.push(line);
    }
    Ok(Response::new(Full::new(Bytes::from(answer))))
}
