//! What callers ask of the live service while its shadow is in trouble.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_stream::wrappers::ReceiverStream;

use super::live::Digest;
use crate::rig::DEADLINE;

const MIB: usize = 1024 * 1024;
/// Messages of a gRPC stream or a WebSocket, each answered before the next.
const MESSAGES: usize = 20;
const MESSAGE: usize = 16 * 1024;

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// A kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Load {
    Get,
    /// The largest body that is copied.
    Post,
    LargePost,
    Chunked,
    GrpcCall,
    GrpcStream,
    WebSocket,
}

impl Load {
    pub(crate) const ALL: [Self; 7] = [
        Self::Get,
        Self::Post,
        Self::LargePost,
        Self::Chunked,
        Self::GrpcCall,
        Self::GrpcStream,
        Self::WebSocket,
    ];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST 1 MiB",
            Self::LargePost => "POST 20 MiB",
            Self::Chunked => "chunked 8 MiB",
            Self::GrpcCall => "gRPC call",
            Self::GrpcStream => "gRPC stream",
            Self::WebSocket => "WebSocket",
        }
    }

    pub(crate) fn is_grpc(self) -> bool {
        matches!(self, Self::GrpcCall | Self::GrpcStream)
    }
}

/// What became of some requests.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// How long each good answer took.
    pub(crate) latencies: Vec<Duration>,
    /// What went wrong with the others.
    pub(crate) failures: Vec<String>,
}

/// Callers of one sidecar; their connections stay open.
#[derive(Debug)]
pub(crate) struct Callers {
    proxy: SocketAddr,
    http1: Mutex<Vec<http1::SendRequest<Body>>>,
    http2: Mutex<Vec<http2::SendRequest<Body>>>,
}

impl Callers {
    pub(crate) fn new(proxy: SocketAddr) -> Arc<Self> {
        Arc::new(Self {
            proxy,
            http1: Mutex::default(),
            http2: Mutex::default(),
        })
    }

    /// Sends `count` requests to `host`, one each `period`, whatever becomes of those before.
    pub(crate) async fn drive(
        self: &Arc<Self>,
        load: Load,
        host: &str,
        count: usize,
        period: Duration,
    ) -> Outcome {
        let mut tasks = JoinSet::new();
        let mut due = Instant::now();
        for _ in 0..count {
            sleep_until(due).await;
            due += period;
            let (this, host) = (Arc::clone(self), host.to_owned());
            tasks.spawn(async move {
                let start = Instant::now();
                let result = match timeout(DEADLINE, this.exchange(load, &host)).await {
                    Ok(result) => result,
                    Err(_) => Err(format!("no answer after {DEADLINE:?}")),
                };
                (start.elapsed(), result)
            });
        }
        let mut outcome = Outcome::default();
        while let Some(done) = tasks.join_next().await {
            match done.unwrap() {
                (took, Ok(())) => outcome.latencies.push(took),
                (took, Err(error)) => outcome.failures.push(format!("{error} after {took:?}")),
            }
        }
        outcome
    }

    /// One exchange; an answer that is not the live service's, to the byte, is an error.
    async fn exchange(&self, load: Load, host: &str) -> Result<(), String> {
        match load {
            Load::Get => {
                self.http1(host, "GET", Full::default().boxed_unsync(), 0)
                    .await
            }
            Load::Post => self.http1(host, "POST", whole(MIB), MIB).await,
            Load::LargePost => self.http1(host, "POST", whole(20 * MIB), 20 * MIB).await,
            Load::Chunked => self.http1(host, "POST", pieces(8 * MIB), 8 * MIB).await,
            Load::GrpcCall => self.grpc(host, 1).await,
            Load::GrpcStream => self.grpc(host, MESSAGES).await,
            Load::WebSocket => self.websocket(host).await,
        }
    }

    async fn http1(&self, host: &str, method: &str, body: Body, size: usize) -> Result<(), String> {
        let idle = self.http1.lock().unwrap().pop();
        let mut sender = match idle.filter(|sender| !sender.is_closed()) {
            Some(sender) => sender,
            None => self.connect().await?,
        };
        let request = request(host, method, Version::HTTP_11).body(body).unwrap();
        let answer = sender.send_request(request).await.map_err(debug)?;
        let (head, body) = served_by_live(answer, 200)?.into_parts();
        let text = body.collect().await.map_err(debug)?.to_bytes();
        let expected = digest(size);
        if text != expected {
            return Err(format!("{head:?} {text:?} instead of {expected:?}"));
        }
        if sender.ready().await.is_ok() {
            self.http1.lock().unwrap().push(sender);
        }
        Ok(())
    }

    async fn connect(&self) -> Result<http1::SendRequest<Body>, String> {
        let stream = TcpStream::connect(self.proxy).await.map_err(debug)?;
        stream.set_nodelay(true).map_err(debug)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(debug)?;
        tokio::spawn(connection.with_upgrades());
        Ok(sender)
    }

    /// A call of so many messages, each sent when the one before has come back.
    async fn grpc(&self, host: &str, messages: usize) -> Result<(), String> {
        let idle = self.http2.lock().unwrap().pop();
        let mut sender = match idle.filter(|sender| !sender.is_closed()) {
            Some(sender) => sender,
            None => {
                let stream = TcpStream::connect(self.proxy).await.map_err(debug)?;
                stream.set_nodelay(true).map_err(debug)?;
                let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
                let (sender, connection) = handshake.await.map_err(debug)?;
                tokio::spawn(connection);
                sender
            }
        };
        let (outgoing, body) = tokio::sync::mpsc::channel(1);
        let body = StreamBody::new(ReceiverStream::new(body)).boxed_unsync();
        let request = request(host, "POST", Version::HTTP_2)
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(body)
            .unwrap();
        let message = message();
        let send = || outgoing.send(Ok(Frame::data(message.clone())));
        send().await.map_err(debug)?;
        let answer = sender.send_request(request).await.map_err(debug)?;
        let mut answer = served_by_live(answer, 200)?.into_body();
        for n in 1..=messages {
            let mut back = BytesMut::new();
            while back.len() < message.len() {
                let frame = answer.frame().await.ok_or("the stream ended")?;
                back.put(frame.map_err(debug)?.into_data().map_err(debug)?);
            }
            if back != message {
                return Err(format!("message {n} came back as another"));
            }
            if n < messages {
                send().await.map_err(debug)?;
            }
        }
        drop(outgoing);
        let end = answer.collect().await.map_err(debug)?;
        let status = end.trailers().and_then(|all| all.get("grpc-status"));
        if status.is_none_or(|status| status != "0") {
            return Err(format!("status {status:?}"));
        }
        self.http2.lock().unwrap().push(sender);
        Ok(())
    }

    async fn websocket(&self, host: &str) -> Result<(), String> {
        let mut sender = self.connect().await?;
        let request = request(host, "GET", Version::HTTP_11)
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .body(Full::default().boxed_unsync())
            .unwrap();
        let answer = sender.send_request(request).await.map_err(debug)?;
        let answer = served_by_live(answer, 101)?;
        let upgraded = hyper::upgrade::on(answer).await.map_err(debug)?;
        let mut stream = TokioIo::new(upgraded);
        let message = message();
        let mut back = vec![0; message.len()];
        for n in 1..=MESSAGES {
            stream.write_all(&message).await.map_err(debug)?;
            stream.read_exact(&mut back).await.map_err(debug)?;
            if back != message {
                return Err(format!("message {n} came back as another"));
            }
        }
        Ok(())
    }
}

fn request(host: &str, method: &str, version: Version) -> http::request::Builder {
    let request = Request::builder()
        .method(method)
        .version(version)
        .uri(format!("http://{host}/"));
    match version {
        Version::HTTP_2 => request,
        _ => request.header("host", host),
    }
}

fn served_by_live(answer: Response<Incoming>, status: u16) -> Result<Response<Incoming>, String> {
    let by = answer.headers().get("x-served-by");
    if answer.status() != status || by.is_none_or(|by| by != "live") {
        return Err(format!("{answer:?}"));
    }
    Ok(answer)
}

fn debug(error: impl std::fmt::Debug) -> String {
    format!("{error:?}")
}

static PIECE: [u8; 64 * 1024] = [b'x'; 64 * 1024];

/// A body of known length.
fn whole(size: usize) -> Body {
    Full::new(Bytes::from(vec![b'x'; size])).boxed_unsync()
}

/// A body of unknown length.
fn pieces(size: usize) -> Body {
    let frames = (0..size / PIECE.len()).map(|_| Ok(Frame::data(Bytes::from_static(&PIECE))));
    StreamBody::new(tokio_stream::iter(frames)).boxed_unsync()
}

/// What the live service says to such a body.
fn digest(size: usize) -> Bytes {
    let mut digest = Digest::default();
    for _ in 0..size / PIECE.len() {
        digest.add(&PIECE);
    }
    digest.text().into()
}

/// A message with the prefix of gRPC.
fn message() -> Bytes {
    let mut message = BytesMut::with_capacity(5 + MESSAGE);
    message.put_u8(0);
    message.put_u32(u32::try_from(MESSAGE).unwrap());
    message.put_bytes(b'm', MESSAGE);
    message.freeze()
}
