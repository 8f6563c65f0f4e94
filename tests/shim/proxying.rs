//! The primary path.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, Version};
use http_body_util::BodyExt;
use hyper::body::Frame;
use mirrorplane::shim::{Kind, Shim};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::caller::{Http, begin, call, full, get, post, streaming};
use crate::control_plane::{ControlPlane, put};
use crate::resources::{
    Speaks, endpoints, forward, listener, passthrough, primary, respond, routes, runtime,
};
use crate::upstream::{Trouble, Upstream};
use crate::{VARIANTS, in_time, shim};

const NAME: &str = "ns/v1|80";

/// A shim with one service `v1.ns`, and everything else passed through.
async fn start(addresses: &[SocketAddr], speaks: Speaks) -> (ControlPlane, Shim, SocketAddr) {
    let control_plane = ControlPlane::start().await;
    control_plane.change(|world| {
        put(world, Kind::Runtime, "mirrorplane", &runtime(None));
        put(world, Kind::Cluster, NAME, &primary(NAME, speaks));
        put(world, Kind::Cluster, "passthrough", &passthrough());
        put(world, Kind::Endpoint, NAME, &endpoints(NAME, addresses));
        put(
            world,
            Kind::Listener,
            "outbound",
            &listener(SocketAddr::from(([127, 0, 0, 1], 0))),
        );
        let hosts = vec![
            ("loop.test", vec![respond(508)]),
            ("v1.ns", vec![forward(NAME, vec![])]),
            ("*", vec![forward("passthrough", vec![])]),
        ];
        put(world, Kind::Route, "outbound", &routes(hosts));
    });
    let shim = shim(&control_plane, VARIANTS[1]);
    let proxy = in_time("listening", shim.listening()).await;
    (control_plane, shim, proxy)
}

#[tokio::test]
async fn both_protocols_pass_through_as_they_are() {
    let upstream = Upstream::echo().await;
    let (_control_plane, shim, proxy) = start(&[upstream.address], Speaks::Downstream).await;
    for (index, (http, version)) in [(Http::One, Version::HTTP_11), (Http::Two, Version::HTTP_2)]
        .into_iter()
        .enumerate()
    {
        let mut request = post("http://v1.ns/a/b?c=d", full("body"));
        request
            .headers_mut()
            .insert("x-mine", HeaderValue::from_static("1"));
        let answer = call(proxy, http, request).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.body, "body");
        assert_eq!(answer.headers["x-upstream"], "echo");
        let seen = upstream.wait_for(index + 1).await.pop().unwrap();
        assert_eq!(
            (seen.method.as_str(), seen.path.as_str()),
            ("POST", "/a/b?c=d")
        );
        assert_eq!((seen.authority.as_str(), seen.version), ("v1.ns", version));
        assert_eq!(seen.headers["x-mine"], "1");
        assert_eq!(seen.headers["x-request-id"].len(), 36);
    }
    let counts = shim.stats().cluster(NAME);
    assert_eq!(
        (counts.requests, counts.responses[&2], counts.copies),
        (2, 2, 0)
    );
}

#[tokio::test]
async fn requests_of_a_route_that_says_so_are_counted_as_in_envoy() {
    let upstream = Upstream::echo().await;
    let (control_plane, shim, proxy) = start(&[upstream.address], Speaks::Downstream).await;
    let counted = envoy_types::pb::envoy::config::route::v3::Route {
        stat_prefix: "spared_body".to_owned(),
        ..forward(NAME, vec![])
    };
    let hosts = vec![("v1.ns", vec![counted])];
    control_plane.set(Kind::Route, "outbound", &routes(hosts));
    crate::until("the new route", || shim.stats().ads.acks[&Kind::Route] == 2).await;
    for _ in 0..2 {
        call(proxy, Http::One, get("http://v1.ns/")).await;
    }
    let counts = shim.stats().routes;
    assert_eq!(
        counts,
        [("vhost.v1.ns.route.spared_body".to_owned(), 2)].into()
    );
}

#[tokio::test]
async fn bodies_are_not_held_back_in_either_direction() {
    let upstream = Upstream::echo().await;
    for (http, speaks) in [
        (Http::One, Speaks::Downstream),
        (Http::Two, Speaks::Downstream),
        (Http::Two, Speaks::Http1),
        (Http::One, Speaks::Http2),
    ] {
        let (_control_plane, _shim, proxy) = start(&[upstream.address], speaks).await;
        let (pieces, body) = streaming();
        let mut request = post("http://v1.ns/", body);
        let headers = request.headers_mut();
        headers.insert("te", HeaderValue::from_static("trailers"));
        headers.insert("trailer", HeaderValue::from_static("x-sum"));
        let mut answer = begin(proxy, http, request).await.into_body();
        for _ in 0..3 {
            // The next piece is written only after the last one has come back.
            pieces
                .send(Ok(Frame::data(Bytes::from_static(b"piece"))))
                .await
                .unwrap();
            let frame = in_time("a piece", answer.frame()).await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), "piece");
        }
        let trailers =
            HeaderMap::from_iter([("x-sum".parse().unwrap(), HeaderValue::from_static("15"))]);
        pieces.send(Ok(Frame::trailers(trailers))).await.unwrap();
        drop(pieces);
        let frame = in_time("the trailers", answer.frame())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(frame.into_trailers().unwrap()["x-sum"], "15", "{http:?}");
    }
}

#[tokio::test]
async fn requests_take_turns_over_the_endpoints() {
    let upstreams = [Upstream::echo().await, Upstream::echo().await];
    let addresses = [upstreams[0].address, upstreams[1].address];
    let (_control_plane, _shim, proxy) = start(&addresses, Speaks::Downstream).await;
    for _ in 0..6 {
        call(proxy, Http::One, get("http://V1.ns/")).await;
    }
    assert_eq!(
        (upstreams[0].seen().len(), upstreams[1].seen().len()),
        (3, 3)
    );
}

#[tokio::test]
async fn what_cannot_be_forwarded_is_answered() {
    let upstream = Upstream::echo().await;
    let (dead, _task) = Trouble::Refusing.start().await;
    let (_control_plane, _shim, proxy) = start(&[dead], Speaks::Downstream).await;
    let request = |method: &str, uri: &str| {
        let mut request = get(uri);
        *request.method_mut() = method.parse().unwrap();
        request
    };
    let unknown = "http://no-such-host.invalid/";
    for (request, status) in [
        (
            request("GET", "http://v1.ns/"),
            StatusCode::SERVICE_UNAVAILABLE,
        ),
        (
            request("GET", "http://loop.test/"),
            StatusCode::LOOP_DETECTED,
        ),
        (request("GET", unknown), StatusCode::SERVICE_UNAVAILABLE),
        (
            request("GET", "http://user:secret@v1.ns/"),
            StatusCode::BAD_REQUEST,
        ),
        (
            request("GET", "https://v1.ns/"),
            StatusCode::NOT_IMPLEMENTED,
        ),
        (
            Request::builder()
                .method("CONNECT")
                .uri("v1.ns:443")
                .body(full(""))
                .unwrap(),
            StatusCode::METHOD_NOT_ALLOWED,
        ),
        (
            Request::builder().uri("/").body(full("")).unwrap(),
            StatusCode::BAD_REQUEST,
        ),
        (
            Request::builder()
                .uri("/")
                .header("host", "v1.ns")
                .header("connection", "upgrade")
                .header("upgrade", "x")
                .body(full(""))
                .unwrap(),
            StatusCode::FORBIDDEN,
        ),
        // Not known, so passed through by the name it has.
        (
            request(
                "GET",
                &format!("http://localhost:{}/", upstream.address.port()),
            ),
            StatusCode::OK,
        ),
    ] {
        let what = format!("{} {}", request.method(), request.uri());
        assert_eq!(
            call(proxy, Http::One, request).await.status,
            status,
            "{what}"
        );
    }
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn a_cluster_without_endpoints_and_a_host_without_routes_are_answered() {
    let (control_plane, shim, proxy) = start(&[], Speaks::Downstream).await;
    let status = call(proxy, Http::One, get("http://v1.ns/")).await.status;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    control_plane.set(
        Kind::Route,
        "outbound",
        &routes(vec![("v1.ns", vec![forward(NAME, vec![])])]),
    );
    crate::until("the new routes", || {
        shim.stats().ads.acks[&Kind::Route] == 2
    })
    .await;
    assert_eq!(
        call(proxy, Http::One, get("http://v2.ns/")).await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn an_old_caller_is_served_too() {
    let upstream = Upstream::echo().await;
    let (_control_plane, _shim, proxy) = start(&[upstream.address], Speaks::Downstream).await;
    let mut stream = TcpStream::connect(proxy).await.unwrap();
    stream
        .write_all(b"POST / HTTP/1.0\r\nhost: v1.ns\r\ncontent-length: 2\r\n\r\nhi")
        .await
        .unwrap();
    let mut text = String::new();
    in_time("the end of the answer", stream.read_to_string(&mut text))
        .await
        .unwrap();
    assert!(
        text.starts_with("HTTP/1.0 200") && text.ends_with("\r\n\r\nhi"),
        "{text}"
    );
    assert!(!text.contains("\ndate:"), "{text}");
}

#[tokio::test]
async fn connections_are_kept_for_the_next_request() {
    let upstream = Upstream::echo().await;
    let (control_plane, shim, proxy) = start(&[upstream.address], Speaks::Downstream).await;
    for _ in 0..3 {
        call(proxy, Http::One, post("http://v1.ns/", full("x"))).await;
    }
    // Gone endpoints get nothing more, whatever connection is left to them.
    let other = Upstream::echo().await;
    control_plane.set(Kind::Endpoint, NAME, &endpoints(NAME, &[other.address]));
    crate::until("the new endpoints", || {
        shim.stats().ads.acks[&Kind::Endpoint] == 2
    })
    .await;
    call(proxy, Http::One, get("http://v1.ns/")).await;
    assert_eq!((upstream.seen().len(), other.seen().len()), (3, 1));
}

#[tokio::test]
async fn a_get_keeps_a_body_of_unknown_length() {
    let upstream = Upstream::echo().await;
    let (_control_plane, _shim, proxy) = start(&[upstream.address], Speaks::Downstream).await;
    let (pieces, body) = streaming();
    for piece in ["one", "two"] {
        let (pieces, piece) = (pieces.clone(), Frame::data(Bytes::from(piece)));
        tokio::spawn(async move { pieces.send(Ok(piece)).await });
    }
    drop(pieces);
    let mut request = post("http://v1.ns/", body);
    *request.method_mut() = http::Method::GET;
    let chunked = HeaderValue::from_static("chunked");
    request.headers_mut().insert("transfer-encoding", chunked);
    let answer = call(proxy, Http::One, request).await;
    assert_eq!(answer.body.len(), "onetwo".len());
    let seen = upstream.wait_for(1).await.pop().unwrap();
    assert_eq!(seen.method, "GET");
    assert_eq!(seen.headers["transfer-encoding"], "chunked");
    assert!(!seen.headers.contains_key("content-length"));
}
