//! The demo's caller: many requests through the sidecar, which it uses as its HTTP proxy.

use std::net::SocketAddr;

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// How many connections the caller has.
const CONNECTIONS: usize = 4;

/// What came back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Answers {
    /// Answers of the live service.
    pub(super) live: usize,
    /// Everything else: failures, and answers of the wrong service.
    pub(super) wrong: usize,
}

/// Sends `requests` GET requests for `url` through the proxy.
pub(super) async fn send(
    proxy: SocketAddr,
    url: &str,
    requests: usize,
    live: &str,
) -> anyhow::Result<Answers> {
    let mut connections = JoinSet::new();
    for n in 0..CONNECTIONS {
        connections.spawn(send_on_one(
            proxy,
            url.to_owned(),
            (n..requests).step_by(CONNECTIONS),
            live.to_owned(),
        ));
    }
    let mut total = Answers::default();
    while let Some(part) = connections.join_next().await {
        let part = part??;
        total.live += part.live;
        total.wrong += part.wrong;
    }
    Ok(total)
}

async fn send_on_one(
    proxy: SocketAddr,
    url: String,
    numbers: impl Iterator<Item = usize>,
    live: String,
) -> anyhow::Result<Answers> {
    let host = url
        .parse::<hyper::Uri>()?
        .authority()
        .context("the demo's URL has a host")?
        .to_string();
    let stream = TcpStream::connect(proxy)
        .await
        .context("cannot reach the sidecar")?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let mut answers = Answers::default();
    for n in numbers {
        let request = Request::get(format!("{url}?n={n}"))
            .header("host", &host)
            .header("user-agent", "mirrorplane-demo")
            .body(Empty::<Bytes>::new())?;
        let response = sender.send_request(request).await?;
        let ok = response.status().is_success();
        let body = response.into_body().collect().await?.to_bytes();
        if ok && body.ends_with(format!("{live}\n").as_bytes()) {
            answers.live += 1;
        } else {
            answers.wrong += 1;
        }
    }
    connection.abort();
    Ok(answers)
}
