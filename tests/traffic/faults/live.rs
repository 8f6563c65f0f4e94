//! The live service of the fault tests: its answers tell what it was asked, to the byte, and it keeps nothing.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_stream::wrappers::ReceiverStream;
use xxhash_rust::xxh3::Xxh3;

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// A running service; dropping it closes its port.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Live {
    /// It takes that long for each answer, and for each piece of a stream.
    pub(crate) async fn start(work: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).ok();
                let answer = service_fn(move |request| answer(request, work));
                tokio::spawn(async move {
                    auto::Builder::new(TokioExecutor::new())
                        .serve_connection_with_upgrades(TokioIo::new(stream), answer)
                        .await
                        .ok();
                });
            }
        });
        Self { address, task }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What it says to a request with this body, over HTTP and not gRPC.
#[derive(Default)]
pub(crate) struct Digest {
    length: usize,
    hash: Xxh3,
}

impl Digest {
    pub(crate) fn add(&mut self, piece: &[u8]) {
        self.length += piece.len();
        self.hash.update(piece);
    }

    pub(crate) fn text(&self) -> String {
        format!("live: {} bytes, {:016x}\n", self.length, self.hash.digest())
    }
}

async fn answer(
    mut request: Request<Incoming>,
    work: Duration,
) -> Result<Response<Body>, Infallible> {
    let response = Response::builder().header("x-served-by", "live");
    if request.headers().contains_key("upgrade") {
        tokio::spawn(echo(hyper::upgrade::on(&mut request), work));
        let response = response
            .status(StatusCode::SWITCHING_PROTOCOLS)
            .header("connection", "upgrade")
            .header("upgrade", "websocket");
        return Ok(response.body(Full::default().boxed_unsync()).unwrap());
    }
    let kind = request.headers().get("content-type");
    if kind.is_some_and(|kind| kind == "application/grpc") {
        let response = response.header("content-type", "application/grpc");
        return Ok(response.body(repeated(request.into_body(), work)).unwrap());
    }
    let mut digest = Digest::default();
    let mut body = request.into_body();
    while let Some(Ok(frame)) = body.frame().await {
        if let Some(piece) = frame.data_ref() {
            digest.add(piece);
        }
    }
    sleep(work).await;
    let text = Full::from(digest.text());
    Ok(response.body(text.boxed_unsync()).unwrap())
}

async fn echo(upgrade: hyper::upgrade::OnUpgrade, work: Duration) {
    let Ok(upgraded) = upgrade.await else { return };
    let mut stream = TokioIo::new(upgraded);
    let mut piece = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = stream.read(&mut piece).await {
        sleep(work).await;
        if stream.write_all(&piece[..read]).await.is_err() {
            return;
        }
    }
}

/// The body as it comes, and a status.
fn repeated(mut body: Incoming, work: Duration) -> Body {
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        while let Some(Ok(frame)) = body.frame().await {
            // The end of a body comes as a frame with nothing in it, which many of on one connection are taken for an attack.
            let Some(data) = frame.into_data().ok().filter(|data| !data.is_empty()) else {
                continue;
            };
            sleep(work).await;
            if sender.send(Ok(Frame::data(data))).await.is_err() {
                return;
            }
        }
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
        sender.send(Ok(Frame::trailers(trailers))).await.ok();
    });
    StreamBody::new(ReceiverStream::new(receiver)).boxed_unsync()
}
