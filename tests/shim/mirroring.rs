//! Copies, and that they hurt nobody.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{StatusCode, Version};
use hyper::body::Frame;
use mirrorplane::shim::{DropReason, Kind, Shim, Variant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::caller::{Http, begin, call, full, get, post, streaming};
use crate::control_plane::{ControlPlane, put};
use crate::resources::{
    Bounds, Breakers, SHADOW, Speaks, endpoints, forward, listener, mirror, primary, routes,
    runtime, shadow,
};
use crate::upstream::{Trouble, Upstream};
use crate::{VARIANTS, in_time, shim, until};

const NAME: &str = "ns/v1|80";
const TARGET: &str = "ns/v2|80";
const ALL: u32 = 1_000_000;

/// A service `v1.ns` that is mirrored to `v2.ns`.
pub(crate) struct Mesh {
    pub(crate) control_plane: ControlPlane,
    pub(crate) shim: Shim,
    pub(crate) proxy: SocketAddr,
    primary: Upstream,
}

impl Mesh {
    pub(crate) async fn start(
        variant: Variant,
        target: &[SocketAddr],
        speaks: Speaks,
        bounds: Bounds,
    ) -> Self {
        let primary_upstream = Upstream::echo().await;
        let control_plane = ControlPlane::start().await;
        control_plane.change(|world| {
            put(world, Kind::Runtime, "mirrorplane", &runtime(Some(ALL)));
            put(
                world,
                Kind::Cluster,
                NAME,
                &primary(NAME, Speaks::Downstream),
            );
            put(
                world,
                Kind::Cluster,
                SHADOW,
                &shadow(TARGET, speaks, bounds),
            );
            put(
                world,
                Kind::Endpoint,
                NAME,
                &endpoints(NAME, &[primary_upstream.address]),
            );
            put(world, Kind::Endpoint, TARGET, &endpoints(TARGET, target));
            put(
                world,
                Kind::Listener,
                "outbound",
                &listener(SocketAddr::from(([127, 0, 0, 1], 0))),
            );
            let hosts = vec![("v1.ns", vec![forward(NAME, vec![mirror()])])];
            put(world, Kind::Route, "outbound", &routes(hosts));
        });
        let shim = shim(&control_plane, variant);
        let proxy = in_time("listening", shim.listening()).await;
        Self {
            control_plane,
            shim,
            proxy,
            primary: primary_upstream,
        }
    }

    async fn share(&self, millionths: u32) {
        let before = self.acks(Kind::Runtime);
        self.control_plane
            .set(Kind::Runtime, "mirrorplane", &runtime(Some(millionths)));
        until("the new share", || self.acks(Kind::Runtime) > before).await;
    }

    pub(crate) fn acks(&self, kind: Kind) -> u64 {
        self.shim
            .stats()
            .ads
            .acks
            .get(&kind)
            .copied()
            .unwrap_or_default()
    }

    pub(crate) fn dropped(&self, reason: DropReason) -> u64 {
        self.shim
            .stats()
            .cluster(SHADOW)
            .dropped
            .get(&reason)
            .copied()
            .unwrap_or_default()
    }

    pub(crate) async fn get(&self) {
        let answer = call(self.proxy, Http::One, get("http://v1.ns/")).await;
        assert_eq!(answer.status, StatusCode::OK);
    }

    /// Requests and copies until now.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let counts = self.shim.stats();
        (counts.cluster(NAME).requests, counts.cluster(SHADOW).copies)
    }
}

#[tokio::test]
async fn a_copy_is_the_request_with_its_own_host_and_mark() {
    for (http, speaks, version) in [
        (Http::One, Speaks::Http1, Version::HTTP_11),
        (Http::Two, Speaks::Http1, Version::HTTP_11),
        (Http::Two, Speaks::Http2, Version::HTTP_2),
        // A copy has no caller to follow.
        (Http::Two, Speaks::Downstream, Version::HTTP_11),
    ] {
        let target = Upstream::echo().await;
        let mesh = Mesh::start(Variant::Sotw, &[target.address], speaks, Bounds::default()).await;
        let answer = call(mesh.proxy, http, post("http://v1.ns/a?b", full("body"))).await;
        assert_eq!(answer.body, "body");
        let copy = target.wait_for(1).await.remove(0);
        let original = mesh.primary.wait_for(1).await.remove(0);
        assert_eq!((copy.method.as_str(), copy.path.as_str()), ("POST", "/a?b"));
        assert_eq!(
            (copy.authority.as_str(), original.authority.as_str()),
            ("v2.ns:80", "v1.ns")
        );
        assert_eq!(copy.headers["x-mirror-shadow"], "ns/rule");
        assert!(!original.headers.contains_key("x-mirror-shadow"));
        assert_eq!(
            copy.headers["x-request-id"],
            original.headers["x-request-id"]
        );
        assert_eq!(copy.headers["content-length"], "4");
        assert_eq!(copy.version, version);
        until("the answer to the copy", || {
            mesh.shim.stats().cluster(SHADOW).responses.get(&2) == Some(&1)
        })
        .await;
    }
}

#[tokio::test]
async fn the_share_changes_by_runtime_alone() {
    for variant in VARIANTS {
        let target = Upstream::echo().await;
        let mesh = Mesh::start(variant, &[target.address], Speaks::Http1, Bounds::default()).await;
        let pushed = mesh.shim.stats().ads.responses;
        for _ in 0..50 {
            mesh.get().await;
        }
        assert_eq!(mesh.counts(), (50, 50));
        mesh.share(0).await;
        for _ in 0..50 {
            mesh.get().await;
        }
        assert_eq!(mesh.counts(), (100, 50));
        mesh.share(ALL / 4).await;
        for _ in 0..400 {
            mesh.get().await;
        }
        // 100 are expected, and the standard deviation is below 9.
        let copies = mesh.counts().1 - 50;
        assert!((50..150).contains(&copies), "{copies} of 400");
        for kind in [Kind::Cluster, Kind::Endpoint, Kind::Listener, Kind::Route] {
            assert_eq!(
                mesh.shim.stats().ads.responses[&kind],
                pushed[&kind],
                "{kind:?} {variant:?}"
            );
        }
        target.wait_for(usize::try_from(50 + copies).unwrap()).await;
    }
}

#[tokio::test]
async fn a_target_in_trouble_neither_delays_nor_fails_the_request() {
    // The copy may last longer than the test waits: a request that waited for it would not be in time.
    let bounds = Bounds {
        stream_seconds: 600,
        buffer: 64 << 10,
        ..Bounds::default()
    };
    let large = Bytes::from(vec![7; 8 << 20]);
    for trouble in Trouble::ALL {
        for speaks in [Speaks::Http1, Speaks::Http2] {
            let (target, _task) = trouble.start().await;
            let mesh = Mesh::start(Variant::Delta, &[target], speaks, bounds).await;
            for http in [Http::One, Http::Two] {
                mesh.get().await;
                let answer =
                    call(mesh.proxy, http, post("http://v1.ns/", full(large.clone()))).await;
                assert_eq!(answer.status, StatusCode::OK, "{trouble:?}");
                assert_eq!(answer.body.len(), large.len(), "{trouble:?}");
            }
            assert_eq!(mesh.counts(), (4, 4), "{trouble:?}");
            // The large copies did not fit, or the target was gone before they could.
            until("the large copies ended", || {
                let counts = mesh.shim.stats().cluster(SHADOW);
                counts.failures + mesh.dropped(DropReason::BufferFull) >= 2
            })
            .await;
        }
    }
}

#[tokio::test]
async fn a_target_without_endpoints_or_with_too_much_to_do_costs_only_the_copy() {
    let mesh = Mesh::start(Variant::Delta, &[], Speaks::Http1, Bounds::default()).await;
    mesh.get().await;
    until("no endpoint is counted", || {
        mesh.dropped(DropReason::NoEndpoint) == 1
    })
    .await;

    let (hung, _task) = Trouble::Hung.start().await;
    let bounds = Bounds {
        stream_seconds: 600,
        breakers: Breakers::all(2),
        ..Bounds::default()
    };
    let mesh = Mesh::start(Variant::Delta, &[hung], Speaks::Http1, bounds).await;
    for _ in 0..10 {
        mesh.get().await;
    }
    assert_eq!(
        (mesh.counts(), mesh.dropped(DropReason::Overflow)),
        ((10, 2), 8)
    );
}

#[tokio::test]
async fn a_copy_ends_with_its_time() {
    let (hung, _task) = Trouble::Hung.start().await;
    let bounds = Bounds {
        stream_seconds: 1,
        breakers: Breakers::all(1),
        ..Bounds::default()
    };
    for speaks in [Speaks::Http1, Speaks::Http2] {
        let mesh = Mesh::start(Variant::Delta, &[hung], speaks, bounds).await;
        mesh.get().await;
        until("the copy is given up", || {
            mesh.dropped(DropReason::Timeout) == 1
        })
        .await;
        // Its place is free again.
        mesh.get().await;
        assert_eq!(mesh.counts(), (2, 2));
    }
}

#[tokio::test]
async fn a_caller_that_goes_away_takes_the_copy_along() {
    for http in [Http::One, Http::Two] {
        let target = Upstream::echo().await;
        let mesh = Mesh::start(
            Variant::Delta,
            &[target.address],
            Speaks::Http1,
            Bounds::default(),
        )
        .await;
        let (pieces, body) = streaming();
        let request = post("http://v1.ns/", body);
        let answer = begin(mesh.proxy, http, request).await;
        pieces
            .send(Ok(Frame::data(Bytes::from_static(b"half"))))
            .await
            .unwrap();
        target.wait_for(1).await;
        // Over HTTP/1.1 this closes the connection, over HTTP/2 it resets the stream.
        pieces
            .send(Err(std::io::ErrorKind::BrokenPipe.into()))
            .await
            .unwrap();
        until("the copy is reset", || {
            mesh.dropped(DropReason::Aborted) == 1
        })
        .await;
        drop((pieces, answer));
    }
}

#[tokio::test]
async fn an_upgrade_passes_and_is_not_copied() {
    let target = Upstream::echo().await;
    let mesh = Mesh::start(
        Variant::Delta,
        &[target.address],
        Speaks::Http1,
        Bounds::default(),
    )
    .await;
    let mut stream = TcpStream::connect(mesh.proxy).await.unwrap();
    stream
        .write_all(b"GET /chat HTTP/1.1\r\nhost: v1.ns\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n")
        .await
        .unwrap();
    let mut head = Vec::new();
    in_time("the head", async {
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
    })
    .await;
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    assert!(head.contains("upgrade: websocket"), "{head}");
    for message in [b"ping", b"pong"] {
        stream.write_all(message).await.unwrap();
        let mut echoed = [0; 4];
        in_time("the echo", stream.read_exact(&mut echoed))
            .await
            .unwrap();
        assert_eq!(&echoed, message);
    }
    // The first thing that the target gets is the copy of an ordinary request.
    mesh.get().await;
    let seen = target.wait_for(1).await;
    assert_eq!((seen.len(), seen[0].path.as_str()), (1, "/"));
    assert_eq!(mesh.counts(), (2, 1));
}
