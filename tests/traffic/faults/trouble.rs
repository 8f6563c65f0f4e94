//! Shadows in trouble.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// What is wrong with a shadow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trouble {
    /// There is no shadow: nothing is mirrored.
    NotMirrored,
    Nothing,
    /// Its machine answers no connection attempt.
    Dead,
    Refuses,
    Resets,
    /// It accepts connections, and neither reads nor writes.
    Hangs,
    ReadsSlowly,
    AnswersLate,
    /// Its answers have no end.
    AnswersEndlessly,
    Fails,
    /// Its endpoints come and go.
    Flaps,
    /// It expects TLS, and says so.
    SpeaksTls,
    /// It answers with what is no HTTP.
    SpeaksGarbage,
}

impl Trouble {
    /// All with a shadow.
    pub(crate) const ALL: [Self; 12] = [
        Self::Nothing,
        Self::Dead,
        Self::Refuses,
        Self::Resets,
        Self::Hangs,
        Self::ReadsSlowly,
        Self::AnswersLate,
        Self::AnswersEndlessly,
        Self::Fails,
        Self::Flaps,
        Self::SpeaksTls,
        Self::SpeaksGarbage,
    ];

    /// As a part of a name of an object.
    pub(crate) fn label(self) -> String {
        format!("{self:?}").to_lowercase()
    }

    /// What can be said of the shadow.
    pub(crate) fn says(self) -> &'static str {
        match self {
            Self::NotMirrored => "is not mirrored to",
            Self::Nothing => "answers",
            Self::Dead => "is dead: its machine is away",
            Self::Refuses => "refuses connections",
            Self::Resets => "resets connections",
            Self::Hangs => "neither reads nor answers",
            Self::ReadsSlowly => "reads slowly",
            Self::AnswersLate => "answers after 2 s",
            Self::AnswersEndlessly => "answers without end",
            Self::Fails => "answers with 503",
            Self::Flaps => "comes and goes",
            Self::SpeaksTls => "expects TLS",
            Self::SpeaksGarbage => "answers what is no HTTP",
        }
    }
}

/// A running shadow; dropping it closes its port.
#[derive(Debug)]
pub(crate) struct Shadow {
    pub(crate) address: SocketAddr,
    /// Connections that were accepted.
    accepted: Arc<AtomicU64>,
    /// What has to stay open.
    held: Vec<TcpStream>,
    _bound: Option<TcpSocket>,
    _tasks: JoinSet<()>,
}

impl Shadow {
    /// Starts a shadow with this trouble; its work is done by that runtime.
    pub(crate) async fn start(trouble: Trouble, on: &Handle) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = socket.local_addr().unwrap();
        let mut this = Self {
            address,
            accepted: Arc::default(),
            held: Vec::new(),
            _bound: None,
            _tasks: JoinSet::new(),
        };
        if trouble == Trouble::Refuses {
            // Bound, the port is nobody else's.
            this._bound = Some(socket);
            return this;
        }
        let backlog = if trouble == Trouble::Dead { 1 } else { 1024 };
        let listener = socket.listen(backlog).unwrap();
        if trouble == Trouble::Dead {
            // Once its queue is full, the kernel drops further attempts.
            let patience = Duration::from_millis(200);
            while let Ok(Ok(stream)) = timeout(patience, TcpStream::connect(address)).await {
                this.held.push(stream);
            }
            this._tasks.spawn_on(
                async move {
                    std::future::pending::<()>().await;
                    drop(listener);
                },
                on,
            );
        } else {
            let accepted = Arc::clone(&this.accepted);
            this._tasks
                .spawn_on(accept(listener, trouble, accepted), on);
        }
        this
    }

    /// How many connections to it are its own.
    pub(crate) fn held(&self) -> u64 {
        self.held.len() as u64
    }

    /// How many connections it has accepted.
    pub(crate) fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }
}

async fn accept(listener: TcpListener, trouble: Trouble, accepted: Arc<AtomicU64>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        accepted.fetch_add(1, Ordering::Relaxed);
        connections.spawn(serve(stream, trouble));
        while connections.try_join_next().is_some() {}
    }
}

/// One connection, to its end. That it breaks is what it is for.
async fn serve(mut stream: TcpStream, trouble: Trouble) {
    match trouble {
        Trouble::Hangs => std::future::pending().await,
        Trouble::Resets => {
            stream.read_u8().await.ok();
            // Closed with data unread, the kernel sends a reset.
            sleep(Duration::from_millis(1)).await;
        }
        Trouble::SpeaksTls => {
            stream.read_u8().await.ok();
            // A fatal alert: no application protocol.
            stream.write_all(&[21, 3, 3, 0, 2, 2, 120]).await.ok();
        }
        Trouble::SpeaksGarbage => {
            stream.read_u8().await.ok();
            stream.write_all(&[0xa5; 4096]).await.ok();
        }
        Trouble::ReadsSlowly => {
            let (near, far) = tokio::io::duplex(16 * 1024);
            let (mut from, mut to) = stream.split();
            let (mut answers, mut requests) = tokio::io::split(near);
            let slowly = async {
                let mut buffer = vec![0; 16 * 1024];
                while let Ok(read @ 1..) = from.read(&mut buffer).await {
                    let Ok(()) = requests.write_all(&buffer[..read]).await else {
                        break;
                    };
                    sleep(Duration::from_millis(50)).await;
                }
            };
            tokio::select! {
                () = slowly => {}
                _ = copy(&mut answers, &mut to) => {}
                () = http(far, trouble) => {}
            }
        }
        _ => http(stream, trouble).await,
    }
}

async fn http<S>(stream: S, trouble: Trouble)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let answer = service_fn(move |request| answer(request, trouble));
    auto::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), answer)
        .await
        .ok();
}

async fn answer(
    request: Request<Incoming>,
    trouble: Trouble,
) -> Result<Response<UnsyncBoxBody<Bytes, Infallible>>, Infallible> {
    let mut body = request.into_body();
    while let Some(Ok(_)) = body.frame().await {}
    if trouble == Trouble::AnswersLate {
        sleep(Duration::from_secs(2)).await;
    }
    let body = match trouble {
        Trouble::AnswersEndlessly => endless(),
        _ => Full::new(Bytes::from("the shadow's answer")).boxed_unsync(),
    };
    let status = if trouble == Trouble::Fails { 503 } else { 200 };
    Ok(Response::builder().status(status).body(body).unwrap())
}

/// A megabyte at once, then a quarter of one ten times a second.
fn endless() -> UnsyncBoxBody<Bytes, Infallible> {
    let piece = Bytes::from(vec![b'x'; 256 * 1024]);
    let pieces = tokio_stream::iter(0..).then(move |n: u64| {
        let piece = piece.clone();
        async move {
            if n >= 4 {
                sleep(Duration::from_millis(100)).await;
            }
            Ok(Frame::data(piece))
        }
    });
    StreamBody::new(pieces).boxed_unsync()
}
