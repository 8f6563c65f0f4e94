//! Connections that change their protocol, such as WebSocket: bytes are passed both ways.

use http::header::{self, HeaderMap, HeaderValue};
use http::{Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;

use super::body::{Body, full};
use super::headers;
use super::task::Tasks;
use super::upstream::Answer;

/// Asks for an upgrade again, on the next connection.
pub(super) fn announce(headers: &mut HeaderMap, protocol: Option<HeaderValue>) {
    if let Some(protocol) = protocol {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, protocol);
    }
}

/// The answer to the caller when the upstream has agreed. The tunnel lives until either side ends it.
pub(super) fn tunnel(
    downstream: OnUpgrade,
    mut response: Response<Answer>,
    tasks: &Tasks,
) -> Response<Body> {
    let upstream = hyper::upgrade::on(&mut response);
    let (mut head, answer) = response.into_parts();
    tasks.spawn(async move {
        let both = async { tokio::try_join!(downstream, upstream) };
        let ended = match both.await {
            Ok((caller, called)) => {
                copy_bidirectional(&mut TokioIo::new(caller), &mut TokioIo::new(called))
                    .await
                    .map(|_| ())
                    .map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = ended {
            tracing::debug!(error, "tunnel ended");
        }
        // Until here it held the upstream's connection.
        drop(answer);
    });
    let protocol = head.headers.get(header::UPGRADE).cloned();
    headers::strip_hop_by_hop(&mut head.headers);
    announce(&mut head.headers, protocol);
    head.status = StatusCode::SWITCHING_PROTOCOLS;
    Response::from_parts(head, full(bytes::Bytes::new()))
}
