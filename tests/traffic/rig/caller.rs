//! A caller that uses the sidecar as its HTTP proxy.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Body;
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::DEADLINE;

/// An answer, read whole.
pub(crate) type Answer = Response<Bytes>;

/// One connection of a caller.
#[derive(Debug)]
pub(crate) struct Caller {
    sender: http1::SendRequest<Full<Bytes>>,
}

impl Caller {
    pub(crate) async fn connect(proxy: SocketAddr) -> Self {
        let stream = TcpStream::connect(proxy).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self { sender }
    }

    /// Sends a request for an absolute URL, as to a proxy.
    pub(crate) async fn call(
        &mut self,
        method: &str,
        url: &str,
        body: &[u8],
    ) -> Result<Answer, String> {
        let host = url
            .parse::<hyper::Uri>()
            .unwrap()
            .authority()
            .unwrap()
            .to_string();
        let request = Request::builder()
            .method(method)
            .uri(url)
            .header("host", host)
            .body(Full::new(Bytes::copy_from_slice(body)))
            .unwrap();
        self.send(request).await
    }

    /// Sends any request.
    pub(crate) async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, String> {
        let exchange = async {
            self.sender.ready().await?;
            let (head, body) = self.sender.send_request(request).await?.into_parts();
            Ok(Response::from_parts(head, body.collect().await?.to_bytes()))
        };
        match timeout(DEADLINE, exchange).await {
            Ok(answer) => answer.map_err(|error: hyper::Error| format!("{error:?}")),
            Err(_) => Err(format!("no answer after {DEADLINE:?}")),
        }
    }
}

/// Sends one HTTP/1.1 request on a connection of its own. A body of unknown length goes out in chunks.
pub(crate) async fn call_http1<B>(proxy: SocketAddr, request: Request<B>) -> Answer
where
    B: Body<Data = Bytes, Error = Infallible> + Send + Unpin + 'static,
{
    let stream = TcpStream::connect(proxy).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let answer = timeout(DEADLINE, sender.send_request(request)).await;
    let (head, body) = answer.unwrap().unwrap().into_parts();
    Response::from_parts(head, body.collect().await.unwrap().to_bytes())
}

/// Sends one HTTP/2 request without TLS.
pub(crate) async fn call_http2<B>(proxy: SocketAddr, request: Request<B>) -> Answer
where
    B: Body<Data = Bytes, Error = Infallible> + Send + Unpin + 'static,
{
    let stream = TcpStream::connect(proxy).await.unwrap();
    let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let answer = timeout(DEADLINE, sender.send_request(request)).await;
    let (head, body) = answer.unwrap().unwrap().into_parts();
    Response::from_parts(head, body.collect().await.unwrap().to_bytes())
}

/// The body of a plain GET request, without a proxy.
pub(crate) async fn get(address: SocketAddr, path: &str) -> String {
    let request = Request::get(path)
        .header("host", address.to_string())
        .body(Full::default())
        .unwrap();
    let answer = Caller::connect(address).await.send(request).await.unwrap();
    String::from_utf8_lossy(answer.body()).into_owned()
}

/// What a load run saw.
#[derive(Debug, Default)]
pub(crate) struct Load {
    /// How long each good answer took, sorted.
    pub(crate) latencies: Vec<Duration>,
    /// What went wrong.
    pub(crate) failures: Vec<String>,
}

impl Load {
    /// The latency that `percent` of the answers did not exceed.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let index =
            (self.latencies.len() * percent / 100).min(self.latencies.len().saturating_sub(1));
        self.latencies.get(index).copied().unwrap_or_default()
    }
}

/// Sends `requests` requests over `connections` connections; `expect` is the service that has to answer.
pub(crate) async fn load(
    proxy: SocketAddr,
    url: &str,
    requests: usize,
    connections: usize,
    expect: &'static str,
) -> Load {
    let mut tasks = JoinSet::new();
    for n in 0..connections {
        let share = requests / connections + usize::from(n < requests % connections);
        let url = url.to_owned();
        tasks.spawn(async move {
            let mut load = Load::default();
            let mut caller = Caller::connect(proxy).await;
            for _ in 0..share {
                let start = Instant::now();
                match caller.call("GET", &url, b"").await {
                    Ok(answer)
                        if answer.status() == 200
                            && answer
                                .headers()
                                .get("x-served-by")
                                .is_some_and(|by| by == expect) =>
                    {
                        load.latencies.push(start.elapsed());
                    }
                    Ok(answer) => load.failures.push(format!("{answer:?}")),
                    Err(error) => {
                        load.failures.push(error);
                        caller = Caller::connect(proxy).await;
                    }
                }
            }
            load
        });
    }
    let mut total = Load::default();
    while let Some(part) = tasks.join_next().await {
        let part = part.unwrap();
        total.latencies.extend(part.latencies);
        total.failures.extend(part.failures);
    }
    total.latencies.sort();
    total
}
