//! Connections to upstreams are kept, but not for ever.

use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use http::StatusCode;
use mirrorplane::shim::{Kind, Variant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use crate::caller::{Http, begin, call, full, get, post, streaming};
use crate::resources::{Speaks, impatient};
use crate::service::{NAME, any_port, control_plane};
use crate::upstream::Upstream;
use crate::{in_time, shim, until};

#[tokio::test]
async fn a_connection_is_closed_when_it_has_been_idle_for_its_time() {
    for speaks in [Speaks::Http1, Speaks::Http2] {
        let upstream = Upstream::echo().await;
        let control_plane = control_plane(upstream.address, any_port()).await;
        control_plane.set(Kind::Cluster, NAME, &impatient(NAME, speaks));
        let shim = shim(&control_plane, Variant::Delta);
        let proxy = in_time("listening", shim.listening()).await;

        // One that works for longer than the time is not idle.
        let (pieces, body) = streaming();
        let working = begin(proxy, Http::One, post("http://v1.ns/", body)).await;
        for _ in 0..3 {
            let answer = call(proxy, Http::One, post("http://v1.ns/", full("x"))).await;
            assert_eq!(answer.status, StatusCode::OK);
        }
        let shared = matches!(speaks, Speaks::Http2);
        assert_eq!(upstream.open(), if shared { 1 } else { 2 });
        if !shared {
            until("only the working one is left", || upstream.open() == 1).await;
        }
        sleep(Duration::from_millis(1500)).await;
        assert_eq!(upstream.open(), 1);
        drop((pieces, working));
        until("all are closed", || upstream.open() == 0).await;

        let answer = call(proxy, Http::One, get("http://v1.ns/")).await;
        assert_eq!(answer.status, StatusCode::OK);
    }
}

/// Reads to the end of a head.
async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    in_time("a head", async {
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
    })
    .await;
    String::from_utf8(head).unwrap()
}

/// Takes a request on a new connection, answers it, and keeps the connection.
async fn answer(upstream: &TcpListener) -> TcpStream {
    let (mut stream, _) = in_time("a connection", upstream.accept()).await.unwrap();
    head(&mut stream).await;
    stream
        .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
        .await
        .unwrap();
    stream
}

#[tokio::test]
async fn a_request_that_meets_the_end_of_a_kept_connection_is_sent_on_a_new_one() {
    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: v1.ns\r\n\r\n";
    let upstream = TcpListener::bind(any_port()).await.unwrap();
    let address: SocketAddr = upstream.local_addr().unwrap();
    let control_plane = control_plane(address, any_port()).await;
    let shim = shim(&control_plane, Variant::Delta);
    let proxy = in_time("listening", shim.listening()).await;
    let mut caller = TcpStream::connect(proxy).await.unwrap();
    caller.write_all(REQUEST).await.unwrap();
    for _ in 0..20 {
        let (kept, status) = tokio::join!(answer(&upstream), head(&mut caller));
        assert!(status.starts_with("HTTP/1.1 204"), "{status}");
        // Both happen before the shim, on the same thread, can look at either; it sees the request first.
        let sending = caller.into_std().unwrap();
        (&sending).write_all(REQUEST).unwrap();
        drop(kept);
        caller = TcpStream::from_std(sending).unwrap();
    }
    let (_, status) = tokio::join!(answer(&upstream), head(&mut caller));
    assert!(status.starts_with("HTTP/1.1 204"), "{status}");
    assert_eq!(shim.stats().cluster(NAME).failures, 0);
}
