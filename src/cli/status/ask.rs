//! Asks the control plane for its nodes.

use std::time::Duration;

use anyhow::Context;
use anyhow::anyhow;
use anyhow::bail;
use bytes::Bytes;
use http::Request;
use http::Uri;
use http::header::HOST;
use http_body_util::BodyExt;
use http_body_util::Empty;
use http_body_util::Limited;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::admin::NodeList;

/// How long the control plane may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The longest answer that is read: some ten thousand sidecars.
const LONGEST: usize = 64 << 20;

/// The nodes that are connected to the control plane with this admin address.
pub(super) async fn nodes(admin: &Uri) -> anyhow::Result<NodeList> {
    let answer = timeout(PATIENCE, get(admin, "/nodes")).await;
    let body = answer
        .map_err(|_| anyhow!("no answer in {PATIENCE:?}"))
        .flatten()
        .with_context(|| {
            format!(
                "cannot ask the control plane at {admin} (see `serve --admin`, `status --admin`)"
            )
        })?;
    serde_json::from_slice(&body)
        .with_context(|| format!("{admin} answered, but not as a control plane does"))
}

async fn get(server: &Uri, path: &str) -> anyhow::Result<Bytes> {
    if server.scheme_str().is_some_and(|scheme| scheme != "http") {
        bail!("only http is spoken there");
    }
    let authority = server.authority().context("the URL names no host")?;
    let host = authority.host().trim_matches(['[', ']']);
    let socket = TcpStream::connect((host, authority.port_u16().unwrap_or(80))).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
    let request = Request::get(path)
        .header(HOST, authority.as_str())
        .body(Empty::<Bytes>::new())?;
    let exchange = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), LONGEST).collect().await;
        if !status.is_success() {
            bail!("it answered {status}");
        }
        Ok(body.map_err(anyhow::Error::from_boxed)?.to_bytes())
    };
    // The connection is driven here and not by a task, so that it ends with the exchange.
    tokio::pin!(exchange);
    tokio::select! {
        answer = &mut exchange => answer,
        end = connection => {
            end?;
            exchange.await
        }
    }
}
