//! Services that remember what they were asked, and can misbehave.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A request as the service saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) version: Version,
    pub(crate) path: String,
    /// The Host header, or the authority in HTTP/2.
    pub(crate) host: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// What the service does with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Answers at once, with its name and the request's body.
    Answers,
    /// Answers so much later.
    AnswersAfter(Duration),
    /// Answers with status 500.
    Fails,
    /// Begins to read so much later, on each connection.
    ReadsAfter(Duration),
    /// Accepts connections and never reads.
    Hangs,
    /// The same, after it has let the client send as much as HTTP/2 allows.
    HangsAfterWindows,
    /// Accepts connections and resets them.
    Resets,
}

/// SETTINGS_INITIAL_WINDOW_SIZE, and a WINDOW_UPDATE of the connection (RFC 9113, sections 6.5 and 6.9), of 1 GiB.
const WINDOWS: [u8; 28] = [
    0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0x40, 0, 0, 0, //
    0, 0, 4, 8, 0, 0, 0, 0, 0, 0x40, 0, 0, 0,
];

/// A running service; dropping it closes its port.
#[derive(Debug)]
pub(crate) struct Echo {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    manner: Arc<Mutex<Manner>>,
    task: JoinHandle<()>,
}

impl Echo {
    pub(crate) async fn start(name: &'static str) -> Self {
        Self::with(name, Manner::Answers).await
    }

    pub(crate) async fn with(name: &'static str, manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, name, manner)
    }

    /// At a socket that listens already.
    pub(crate) fn on(listener: TcpListener, name: &'static str, manner: Manner) -> Self {
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let manner = Arc::new(Mutex::new(manner));
        let now = Arc::clone(&manner);
        let task = tokio::spawn(accept(listener, name, now, Arc::clone(&seen)));
        Self {
            address,
            seen,
            manner,
            task,
        }
    }

    /// Answers in another way from now on; what it does with connections that are open stays as it was.
    pub(crate) fn behave(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    /// The requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    pub(crate) fn forget(&self) {
        self.seen.lock().unwrap().clear();
    }

    /// How many requests there are once none has arrived for a while.
    pub(crate) async fn settled(&self) -> usize {
        let mut last = self.count();
        loop {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let now = self.count();
            if now == last {
                return now;
            }
            last = now;
        }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(
    listener: TcpListener,
    name: &'static str,
    manner: Arc<Mutex<Manner>>,
    seen: Arc<Mutex<Vec<Seen>>>,
) {
    let mut held = Vec::new();
    while let Ok((stream, _)) = listener.accept().await {
        let of_connection = *manner.lock().unwrap();
        match of_connection {
            Manner::Hangs => held.push(stream),
            Manner::HangsAfterWindows => {
                stream.writable().await.ok();
                stream.try_write(&WINDOWS).ok();
                held.push(stream);
            }
            // Closed with data unread, the kernel sends a reset.
            Manner::Resets => drop(stream),
            _ => {
                let (seen, manner) = (Arc::clone(&seen), Arc::clone(&manner));
                let answer = service_fn(move |request| {
                    let manner = *manner.lock().unwrap();
                    answer(request, name, manner, Arc::clone(&seen))
                });
                tokio::spawn(async move {
                    if let Manner::ReadsAfter(delay) = of_connection {
                        tokio::time::sleep(delay).await;
                    }
                    // A client that goes away in the middle is none of the service's business.
                    auto::Builder::new(TokioExecutor::new())
                        .serve_connection_with_upgrades(TokioIo::new(stream), answer)
                        .await
                        .ok();
                });
            }
        }
    }
}

async fn answer(
    request: Request<Incoming>,
    name: &'static str,
    manner: Manner,
    seen: Arc<Mutex<Vec<Seen>>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return Ok(Response::new(Full::default()));
    };
    let body = body.to_bytes();
    let host = head
        .headers
        .get("host")
        .and_then(|host| host.to_str().ok())
        .map(str::to_owned);
    seen.lock().unwrap().push(Seen {
        method: head.method.to_string(),
        version: head.version,
        path: head
            .uri
            .path_and_query()
            .map(ToString::to_string)
            .unwrap_or_default(),
        host: host
            .or(head.uri.authority().map(ToString::to_string))
            .unwrap_or_default(),
        headers: head.headers,
        body: body.clone(),
    });
    if let Manner::AnswersAfter(delay) = manner {
        tokio::time::sleep(delay).await;
    }
    let status = if manner == Manner::Fails { 500 } else { 200 };
    let response = Response::builder()
        .status(status)
        .header("x-served-by", name)
        .header("server", "echo")
        .body(Full::new(body))
        .unwrap();
    Ok(response)
}
