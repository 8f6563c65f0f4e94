//! Callers.

use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::in_time;

pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Protocol of a caller.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Http {
    One,
    Two,
}

pub(crate) fn full(body: impl Into<Bytes>) -> Body {
    Full::new(body.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// A body that is written piece by piece.
pub(crate) fn streaming() -> (mpsc::Sender<Result<Frame<Bytes>, io::Error>>, Body) {
    let (sender, receiver) = mpsc::channel(1);
    (
        sender,
        StreamBody::new(ReceiverStream::new(receiver)).boxed_unsync(),
    )
}

/// Sends a request on a connection of its own and yields the head of the answer.
pub(crate) async fn begin(
    proxy: SocketAddr,
    http: Http,
    request: Request<Body>,
) -> Response<Incoming> {
    in_time("the head of an answer", async {
        let io = TokioIo::new(TcpStream::connect(proxy).await.unwrap());
        match http {
            Http::One => {
                let (mut sender, connection) = http1::handshake(io).await.unwrap();
                tokio::spawn(connection);
                sender.send_request(request).await.unwrap()
            }
            Http::Two => {
                let executor = TokioExecutor::new();
                let (mut sender, connection) = http2::handshake(executor, io).await.unwrap();
                tokio::spawn(connection);
                sender.send_request(request).await.unwrap()
            }
        }
    })
    .await
}

/// Sends a request and reads the whole answer.
pub(crate) async fn call(proxy: SocketAddr, http: Http, request: Request<Body>) -> Answer {
    let (head, body) = begin(proxy, http, request).await.into_parts();
    let body = in_time("the whole answer", body.collect()).await.unwrap();
    Answer {
        status: head.status,
        headers: head.headers,
        body: body.to_bytes(),
    }
}

/// A GET as a caller sends it to a forward proxy: with the whole URI.
pub(crate) fn get(uri: &str) -> Request<Body> {
    let uri: http::Uri = uri.parse().unwrap();
    let host = uri.authority().unwrap().to_string();
    Request::builder()
        .uri(uri)
        .header("host", host)
        .body(full(""))
        .unwrap()
}

pub(crate) fn post(uri: &str, body: Body) -> Request<Body> {
    let mut request = get(uri).map(|_| body);
    *request.method_mut() = http::Method::POST;
    request
}
