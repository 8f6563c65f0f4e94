//! Circuit breakers of a shadow cluster.

use bytes::Bytes;
use http::StatusCode;
use http_body_util::BodyExt;
use hyper::body::Frame;
use mirrorplane::shim::{DropReason, Variant};

use crate::caller::{Http, begin, post, streaming};
use crate::mirroring::Mesh;
use crate::resources::{Bounds, Breakers, SHADOW, Speaks};
use crate::upstream::Upstream;
use crate::{in_time, until};

const REQUESTS: u64 = 8;

#[tokio::test]
async fn the_breakers_bound_the_copies_under_way_and_nothing_else() {
    let breakers = |connections, pending, requests| Breakers {
        connections,
        pending,
        requests,
    };
    // What may be under way, and how many of these have a connection.
    for (breakers, admitted, connected) in [
        (breakers(64, 64, 3), 3, 3),
        (breakers(2, 1, 64), 3, 2),
        (breakers(1, 64, 4), 4, 1),
    ] {
        let target = Upstream::echo().await;
        let bounds = Bounds {
            stream_seconds: 600,
            breakers,
            ..Bounds::default()
        };
        let mesh = Mesh::start(Variant::Delta, &[target.address], Speaks::Http1, bounds).await;
        // None of these ends before all have begun.
        let mut begun = Vec::new();
        for _ in 0..REQUESTS {
            let (pieces, body) = streaming();
            let answer = begin(mesh.proxy, Http::One, post("http://v1.ns/", body)).await;
            assert_eq!(answer.status(), StatusCode::OK);
            begun.push((pieces, answer));
        }
        assert_eq!(mesh.counts(), (REQUESTS, admitted));
        assert_eq!(mesh.dropped(DropReason::Overflow), REQUESTS - admitted);
        target.wait_for(connected).await;

        for (pieces, answer) in begun {
            assert!(target.open() <= connected, "{}", target.open());
            let piece = Frame::data(Bytes::from_static(b"whole"));
            pieces.send(Ok(piece)).await.unwrap();
            drop(pieces);
            let body = in_time("the answer", answer.into_body().collect()).await;
            assert_eq!(body.unwrap().to_bytes(), "whole");
        }
        // Those that waited for a connection got one; each left its place to the next.
        until("the answers to the copies", || {
            mesh.shim.stats().cluster(SHADOW).responses.get(&2) == Some(&admitted)
        })
        .await;
        assert!(target.open() <= connected, "{}", target.open());
        mesh.get().await;
        assert_eq!(mesh.counts(), (REQUESTS + 1, admitted + 1));
    }
}
