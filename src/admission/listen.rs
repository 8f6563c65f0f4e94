//! The socket: the only I/O here but for [`Homes`](super::Homes).

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::Response;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http_body_util::Full;
use hyper::body::Incoming;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio::time::timeout;
use tokio_rustls::rustls::ServerConfig;

use super::answer::Answers;
use super::answer::Unanswered;
use super::attend::Until;
use super::attend::asked;
use super::attend::attend;
use super::body::Room;
use super::body::read;
use super::home::Homes;
use super::seats::Seats;
use super::stats::Away;
use super::stats::Stats;
use crate::resolve;
use crate::sidecar::inject;
use crate::source::State;
use crate::transport::Connection;
use crate::transport::accept;
use crate::transport::speaking;

/// How long a question and its answer may take together: less than the five seconds of `timeoutSeconds` in the manifests.
const PATIENCE: Duration = Duration::from_secs(4);
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
    let answers = Answers::new(homes, sidecar, settings, states, Arc::clone(&stats));
    // API servers want the old one, so that they can spread what they ask.
    let tls = speaking(tls, &[b"h2", b"http/1.1"]);
    let answers = Arc::new(answers);
    let answer = move |head: Parts, body: Bytes| {
        let answers = Arc::clone(&answers);
        async move { answers.answer(&head.method, head.uri.path(), &body).await }
    };
    let end = async {
        if stopping.wait_for(|stopping| *stopping).await.is_ok() {
            sleep(LINGER).await;
        }
    };
    serve(listener, Some(tls), answer, stats, end).await;
}

async fn serve<A, F>(
    listener: TcpListener,
    tls: Option<watch::Receiver<Arc<ServerConfig>>>,
    answer: A,
    stats: Arc<Stats>,
    end: impl Future<Output = ()>,
) where
    A: Fn(Parts, Bytes) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Value, Unanswered>> + Send + 'static,
{
    let (ready, mut connections) = mpsc::channel(16);
    let accepting = accept(listener, tls, ready, |address, failure| {
        tracing::debug!(%address, ?failure, "no connection to the webhooks");
    });
    let (closing, is_closing) = watch::channel(false);
    let seats = Arc::new(Seats::new());
    let mut tasks = JoinSet::new();
    let taking = async {
        while let Some(connection) = next(&mut connections).await {
            while tasks.try_join_next().is_some() {}
            let peer = connection.peer().address;
            let seat = match seats.take(peer.ip()) {
                Ok(seat) => seat,
                Err(away) => {
                    stats.turned_away(away, peer);
                    continue;
                }
            };
            let (answer, stats) = (answer.clone(), Arc::clone(&stats));
            let is_closing = is_closing.clone();
            tasks.spawn(async move {
                let attended = attend(connection, is_closing, |request, until| {
                    let (answer, stats) = (answer.clone(), Arc::clone(&stats));
                    let room = seat.room.clone();
                    async move { respond(request, room, &until, answer, &stats, peer).await }
                });
                match attended.await {
                    Ok(true) => stats.turned_away(Away::Quiet, peer),
                    Ok(false) => {}
                    Err(error) => tracing::debug!(%error, "a connection to the webhooks failed"),
                }
                drop(seat);
            });
        }
    };
    tokio::select! {
        () = accepting => {}
        () = taking => {}
        () = end => {}
    }
    closing.send_replace(true);
    let last = async { while tasks.join_next().await.is_some() {} };
    if timeout(LAST, last).await.is_err() {
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

async fn respond<A, F>(
    request: Request<Incoming>,
    room: Room,
    until: &Until,
    answer: A,
    stats: &Stats,
    peer: SocketAddr,
) -> Response<Full<Bytes>>
where
    A: Fn(Parts, Bytes) -> F,
    F: Future<Output = Result<Value, Unanswered>>,
{
    let answered = timeout(PATIENCE, async {
        let (head, body) = request.into_parts();
        let read = read(body, room).await.map_err(|away| {
            stats.turned_away(away, peer);
            unread(away)
        });
        let (body, _held) = read?.parts();
        asked(until);
        answer(head, body).await
    });
    let text = "text/plain; charset=utf-8";
    let (status, kind, body) = match answered.await {
        Ok(Ok(answer)) => (StatusCode::OK, "application/json", answer.to_string()),
        Ok(Err(Unanswered { status, why })) => (status, text, why),
        Err(_) => {
            stats.unanswered("", "it took too long");
            (
                StatusCode::GATEWAY_TIMEOUT,
                text,
                "took too long".to_owned(),
            )
        }
    };
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let kind = http::HeaderValue::from_static(kind);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn unread(away: Away) -> Unanswered {
    let (status, why) = match away {
        Away::Large => (StatusCode::PAYLOAD_TOO_LARGE, "the question is too large"),
        Away::Broken => (StatusCode::BAD_REQUEST, "the question broke off"),
        _ => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the question came too slowly",
        ),
    };
    Unanswered {
        status,
        why: why.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::net::SocketAddr;
    use std::sync::Arc;
    use std::time::Duration;

    use serde_json::json;
    use tokio::io::AsyncReadExt;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;
    use tokio::net::TcpSocket;
    use tokio::net::TcpStream;
    use tokio::time::timeout;

    use super::super::seats;
    use super::Away;
    use super::Stats;
    use super::serve;

    async fn connect(from: &str, to: SocketAddr) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(from.parse().unwrap()).unwrap();
        socket.connect(to).await.unwrap()
    }

    #[tokio::test]
    async fn one_peer_does_not_keep_others_from_being_answered() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stats = Arc::new(Stats::default());
        let answer = |_, _| async { Ok(json!("yes")) };
        tokio::spawn(serve(listener, None, answer, Arc::clone(&stats), pending()));
        let mut idle = Vec::new();
        for _ in 0..seats::ALL + 10 {
            idle.push(connect("127.0.0.2:0", address).await);
        }
        let mut other = connect("127.0.0.3:0", address).await;
        let question = b"POST /validate HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}";
        other.write_all(question).await.unwrap();
        let mut said = String::new();
        let asked = timeout(Duration::from_secs(4), other.read_to_string(&mut said));
        asked.await.unwrap().unwrap();
        assert!(
            said.contains("200 OK") && said.ends_with("\"yes\""),
            "{said}"
        );
        let beyond = seats::ALL + 10 - seats::OF_ONE;
        assert_eq!(stats.count(Away::Share), beyond as u64);
    }
}
