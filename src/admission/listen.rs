//! The socket: the only I/O here but for [`Homes`](super::Homes).

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::Response;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use http_body_util::BodyExt;
use http_body_util::Full;
use http_body_util::Limited;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioExecutor;
use hyper_util::rt::TokioIo;
use hyper_util::rt::TokioTimer;
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio::time::timeout;
use tokio_rustls::rustls::ServerConfig;

use super::answer::Answers;
use super::answer::Unanswered;
use super::home::Homes;
use super::stats::Stats;
use crate::resolve;
use crate::sidecar::inject;
use crate::source::State;
use crate::transport::Connection;
use crate::transport::accept;
use crate::transport::speaking;

/// Connections at a time. API servers are few, and keep theirs.
const CONNECTIONS: usize = 128;
/// The largest question, in bytes: an object twice, each as large as etcd takes it, and room to spare.
const LARGEST: usize = 8 << 20;
/// How long a question and its answer may take together: less than the five seconds of `timeoutSeconds` in the manifests.
const PATIENCE: Duration = Duration::from_secs(4);
/// How long a connection may be without a question, or take for the head of one.
const IDLE: Duration = Duration::from_secs(300);
/// How long questions are still taken after the order to stop: the API server may not know of it yet.
const LINGER: Duration = Duration::from_secs(2);
/// How long the last answers may take after that.
const LAST: Duration = Duration::from_secs(5);

/// Where the Kubernetes API asks, and what it is answered with.
pub struct Webhook {
    /// The socket.
    pub listener: TcpListener,
    /// What new connections are served with.
    pub tls: watch::Receiver<Arc<ServerConfig>>,
    /// Where namespaces are looked up.
    pub homes: Homes,
    /// What is added to Pods, as it is now: it holds the CAs. Nothing as long as they are not known.
    pub sidecar: Box<dyn Fn() -> Option<inject::Settings> + Send + Sync>,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("listener", &self.listener)
            .finish_non_exhaustive()
    }
}

/// Answers over TLS until `stopping` is true; then ends in order. Dropped, it drops its connections.
///
/// `states` is what the cluster has, for what objects say about each other; until it is known they are judged alone.
pub async fn run(
    webhook: Webhook,
    settings: resolve::Settings,
    states: watch::Receiver<Option<Arc<State>>>,
    stats: Arc<Stats>,
    mut stopping: watch::Receiver<bool>,
) {
    let Webhook {
        listener,
        tls,
        homes,
        sidecar,
    } = webhook;
    let answers = Answers::new(homes, sidecar, settings, states, stats);
    // API servers want the old one, so that they can spread what they ask.
    let tls = speaking(tls, &[b"h2", b"http/1.1"]);
    let (ready, mut connections) = mpsc::channel(16);
    let accepting = accept(listener, Some(tls), ready, |address, failure| {
        tracing::debug!(%address, ?failure, "no connection to the webhooks");
    });
    let answers = Arc::new(answers);
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let mut tasks = JoinSet::new();
    let end = async {
        if stopping.wait_for(|stopping| *stopping).await.is_ok() {
            sleep(LINGER).await;
        }
    };
    let taking = async {
        while let Some(connection) = next(&mut connections).await {
            while tasks.try_join_next().is_some() {}
            let Ok(permit) = Arc::clone(&free).acquire_owned().await else {
                return; // Nobody closes it.
            };
            let answers = Arc::clone(&answers);
            let service = service_fn(move |request| {
                let answers = Arc::clone(&answers);
                async move { Ok::<_, Infallible>(respond(&answers, request).await) }
            });
            let mut server = auto::Builder::new(TokioExecutor::new());
            server
                .http1()
                .timer(TokioTimer::new())
                .header_read_timeout(IDLE);
            server
                .http2()
                .timer(TokioTimer::new())
                .keep_alive_interval(Some(IDLE));
            let connection = server.serve_connection(TokioIo::new(connection), service);
            let connection = graceful.watch(connection.into_owned());
            tasks.spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "a connection to the webhooks failed");
                }
                drop(permit);
            });
        }
    };
    tokio::select! {
        () = accepting => {}
        () = taking => {}
        () = end => {}
    }
    if timeout(LAST, graceful.shutdown()).await.is_err() {
        tracing::warn!("some questions of the Kubernetes API were not answered to the end");
    }
}

async fn next(connections: &mut mpsc::Receiver<io::Result<Connection>>) -> Option<Connection> {
    loop {
        match connections.recv().await? {
            Ok(connection) => return Some(connection),
            Err(error) => tracing::debug!(%error, "no connection to the webhooks"),
        }
    }
}

async fn respond(answers: &Answers, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let answered = timeout(PATIENCE, async {
        let (head, body) = request.into_parts();
        let body = match Limited::new(body, LARGEST).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => {
                return Err(Unanswered {
                    status: StatusCode::PAYLOAD_TOO_LARGE,
                    why: format!("the question cannot be read: {error}"),
                });
            }
        };
        answers.answer(&head.method, head.uri.path(), &body).await
    });
    let (status, kind, body) = match answered.await {
        Ok(Ok(answer)) => (StatusCode::OK, "application/json", answer.to_string()),
        Ok(Err(Unanswered { status, why })) => (status, "text/plain; charset=utf-8", why),
        Err(_) => {
            tracing::warn!("a question of the Kubernetes API took too long");
            let why = "took too long".to_owned();
            (
                StatusCode::GATEWAY_TIMEOUT,
                "text/plain; charset=utf-8",
                why,
            )
        }
    };
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let kind = http::HeaderValue::from_static(kind);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
