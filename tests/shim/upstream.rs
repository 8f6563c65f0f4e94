//! Upstreams: one that echoes, and several that behave badly.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, Version};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::in_time;

/// A request that an upstream has got.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) authority: String,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
}

/// A server that answers with the body of the request, chunk by chunk, trailers included, and changes the protocol when
/// asked.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    seen: watch::Receiver<Vec<Seen>>,
    open: watch::Receiver<usize>,
    task: JoinHandle<()>,
}

impl Upstream {
    pub(crate) async fn echo() -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let (sender, seen) = watch::channel(Vec::new());
        let (opened, open) = watch::channel(0);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = socket.accept().await.unwrap();
                let sender = sender.clone();
                let opened = opened.clone();
                connections.spawn(async move {
                    opened.send_modify(|open| *open += 1);
                    let service = service_fn(move |request| {
                        let response = echo(request, &sender);
                        async move { Ok::<_, Infallible>(response) }
                    });
                    // How a connection ends is the business of the test.
                    let mut builder = auto::Builder::new(TokioExecutor::new());
                    builder.http1().auto_date_header(false);
                    builder
                        .serve_connection_with_upgrades(TokioIo::new(stream), service)
                        .await
                        .ok();
                    opened.send_modify(|open| *open -= 1);
                });
            }
        });
        Self {
            address,
            seen,
            open,
            task,
        }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.borrow().clone()
    }

    /// Connections that are open.
    pub(crate) fn open(&self) -> usize {
        *self.open.borrow()
    }

    /// Waits until this many requests have come.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<Seen> {
        let mut seen = self.seen.clone();
        let what = format!("{count} requests");
        in_time(&what, seen.wait_for(|seen| seen.len() >= count))
            .await
            .unwrap()
            .clone()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn echo(
    mut request: Request<Incoming>,
    seen: &watch::Sender<Vec<Seen>>,
) -> Response<UnsyncBoxBody<Bytes, hyper::Error>> {
    let host = request
        .headers()
        .get("host")
        .map(|host| host.to_str().unwrap().to_owned());
    seen.send_modify(|seen| {
        seen.push(Seen {
            method: request.method().to_string(),
            path: request.uri().path_and_query().unwrap().to_string(),
            authority: host
                .or(request.uri().authority().map(ToString::to_string))
                .unwrap_or_default(),
            version: request.version(),
            headers: request.headers().clone(),
        });
    });
    if let Some(protocol) = request.headers().get("upgrade").cloned() {
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let mut io = TokioIo::new(upgrade.await.unwrap());
            let (mut read, mut write) = tokio::io::split(&mut io);
            tokio::io::copy(&mut read, &mut write).await.ok();
        });
        return Response::builder()
            .status(StatusCode::SWITCHING_PROTOCOLS)
            .header("connection", "upgrade")
            .header("upgrade", protocol)
            .body(Empty::new().map_err(|never| match never {}).boxed_unsync())
            .unwrap();
    }
    let mut response = Response::builder().header("x-upstream", "echo");
    if let Some(trailer) = request.headers().get("trailer") {
        response = response.header("trailer", trailer);
    }
    response.body(request.into_body().boxed_unsync()).unwrap()
}

/// What goes wrong with a target.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Trouble {
    /// Nobody listens.
    Refusing,
    /// Accepts and never reads.
    Hung,
    /// Accepts, and closes at once.
    Closing,
    /// Accepts, and answers something that is not HTTP.
    Babbling,
}

impl Trouble {
    pub(crate) const ALL: [Self; 4] = [Self::Refusing, Self::Hung, Self::Closing, Self::Babbling];

    /// The address of such a target; it lives as long as the handle.
    pub(crate) async fn start(self) -> (SocketAddr, JoinHandle<()>) {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let socket = (!matches!(self, Self::Refusing)).then_some(socket);
        let task = tokio::spawn(async move {
            let Some(socket) = socket else { return };
            let mut kept = Vec::new();
            loop {
                let (mut stream, _) = socket.accept().await.unwrap();
                match self {
                    Self::Hung => kept.push(stream),
                    Self::Babbling => {
                        stream.write_all(b"220 smtp.example ESMTP\r\n").await.ok();
                    }
                    Self::Closing | Self::Refusing => {}
                }
            }
        });
        (address, task)
    }
}
