//! Sockets follow LDS.

use std::net::SocketAddr;

use bytes::Bytes;
use http::StatusCode;
use http_body_util::BodyExt;
use hyper::body::Frame;
use mirrorplane::shim::Kind;
use tokio::net::{TcpListener, TcpStream};

use crate::caller::{Http, begin, call, get, post, streaming};
use crate::control_plane::ControlPlane;
use crate::resources::{listener, routes};
use crate::service::{any_port, control_plane};
use crate::upstream::Upstream;
use crate::{VARIANTS, in_time, shim, until};

async fn refused(address: SocketAddr) {
    in_time("the socket is closed", async {
        while TcpStream::connect(address).await.is_ok() {}
    })
    .await;
}

#[tokio::test]
async fn an_address_in_use_is_refused_by_name_and_served_once_it_is_free() {
    for variant in VARIANTS {
        let upstream = Upstream::echo().await;
        let occupied = TcpListener::bind(any_port()).await.unwrap();
        let address = occupied.local_addr().unwrap();
        let control_plane = control_plane(upstream.address, address).await;
        let shim = shim(&control_plane, variant);
        cannot_bind(&control_plane, address).await;
        drop(occupied);
        assert_eq!(in_time("listening", shim.listening()).await, address);
        assert_eq!(
            call(address, Http::One, get("http://v1.ns/")).await.status,
            StatusCode::OK
        );
    }
}

/// Waits until the listener is refused at this address.
async fn cannot_bind(control_plane: &ControlPlane, address: SocketAddr) {
    let expected = format!("NACK Listener outbound: cannot bind {address}");
    until("the NACK", || {
        let log = control_plane.log();
        log.iter().any(|line| line.starts_with(&expected))
    })
    .await;
}

#[tokio::test]
async fn a_listener_that_cannot_move_stays_where_it_was() {
    let upstream = Upstream::echo().await;
    let control_plane = control_plane(upstream.address, any_port()).await;
    let shim = shim(&control_plane, VARIANTS[1]);
    let first = in_time("listening", shim.listening()).await;
    let works = async || {
        in_time("an answer", async {
            // The socket may be closed for a moment.
            while TcpStream::connect(first).await.is_err() {}
        })
        .await;
        let answer = call(first, Http::One, get("http://v1.ns/")).await;
        assert_eq!(answer.status, StatusCode::OK);
    };

    // To another address of the same port: the listener is not in its own way, but the neighbour is.
    let neighbour = SocketAddr::from(([127, 0, 0, 2], first.port()));
    let occupied = TcpListener::bind(neighbour).await.unwrap();
    control_plane.set(Kind::Listener, "outbound", &listener(neighbour));
    cannot_bind(&control_plane, neighbour).await;
    works().await;

    // To all addresses: here the listener is in its own way, and so is the neighbour.
    let everywhere = SocketAddr::from(([0, 0, 0, 0], first.port()));
    control_plane.set(Kind::Listener, "outbound", &listener(everywhere));
    cannot_bind(&control_plane, everywhere).await;
    works().await;

    // Without the neighbour, it is only in its own way.
    drop(occupied);
    control_plane.set(Kind::Listener, "outbound", &listener(first));
    until("back", || shim.stats().ads.acks[&Kind::Listener] == 2).await;
    control_plane.set(Kind::Listener, "outbound", &listener(everywhere));
    until("moved", || shim.stats().ads.acks[&Kind::Listener] == 3).await;
    works().await;
    let answer = call(neighbour, Http::One, get("http://v1.ns/")).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn a_listener_that_moves_or_goes_lets_requests_under_way_end() {
    let upstream = Upstream::echo().await;
    let control_plane = control_plane(upstream.address, any_port()).await;
    let shim = shim(&control_plane, VARIANTS[1]);
    let first = in_time("listening", shim.listening()).await;
    let (pieces, body) = streaming();
    let answer = begin(first, Http::One, post("http://v1.ns/", body)).await;

    let other = SocketAddr::from(([127, 0, 0, 2], 0));
    control_plane.set(Kind::Listener, "outbound", &listener(other));
    refused(first).await;
    let second = in_time("listening again", async {
        loop {
            let address = shim.listening().await;
            if address.ip() == other.ip() {
                return address;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(
        call(second, Http::One, get("http://v1.ns/")).await.status,
        StatusCode::OK
    );
    control_plane.change(|world| world.get_mut(&Kind::Listener).unwrap().clear());
    refused(second).await;

    pieces
        .send(Ok(Frame::data(Bytes::from_static(b"late"))))
        .await
        .unwrap();
    drop(pieces);
    let whole = in_time("the rest", answer.into_body().collect())
        .await
        .unwrap();
    assert_eq!(whole.to_bytes(), "late");
}

#[tokio::test]
async fn a_change_of_routes_keeps_the_connections() {
    let upstream = Upstream::echo().await;
    let control_plane = control_plane(upstream.address, any_port()).await;
    let shim = shim(&control_plane, VARIANTS[1]);
    let proxy = in_time("listening", shim.listening()).await;
    let (pieces, body) = streaming();
    let mut answer = begin(proxy, Http::One, post("http://v1.ns/", body))
        .await
        .into_body();
    control_plane.set(Kind::Route, "outbound", &routes(vec![]));
    until("the new routes", || {
        shim.stats().ads.acks[&Kind::Route] == 2
    })
    .await;
    assert_eq!(
        call(proxy, Http::One, get("http://v1.ns/")).await.status,
        StatusCode::NOT_FOUND
    );
    pieces
        .send(Ok(Frame::data(Bytes::from_static(b"on"))))
        .await
        .unwrap();
    assert_eq!(
        in_time("a piece", answer.frame())
            .await
            .unwrap()
            .unwrap()
            .into_data()
            .unwrap(),
        "on"
    );
}

#[tokio::test]
async fn a_shutdown_waits_for_the_last_request_and_a_drop_does_not() {
    let upstream = Upstream::echo().await;
    let control_plane = control_plane(upstream.address, any_port()).await;
    let one = shim(&control_plane, VARIANTS[0]);
    let proxy = in_time("listening", one.listening()).await;
    let (pieces, body) = streaming();
    let answer = begin(proxy, Http::One, post("http://v1.ns/", body)).await;
    let ending = tokio::spawn(one.shutdown());
    refused(proxy).await;
    assert!(!ending.is_finished());
    pieces
        .send(Ok(Frame::data(Bytes::from_static(b"late"))))
        .await
        .unwrap();
    drop(pieces);
    assert_eq!(
        answer.into_body().collect().await.unwrap().to_bytes(),
        "late"
    );
    in_time("the shutdown", ending).await.unwrap();

    let two = shim(&control_plane, VARIANTS[0]);
    let proxy = in_time("listening", two.listening()).await;
    let (_pieces, body) = streaming();
    let answer = begin(proxy, Http::One, post("http://v1.ns/", body)).await;
    drop(two);
    assert!(
        in_time("the end", answer.into_body().collect())
            .await
            .is_err()
    );
    refused(proxy).await;
}
