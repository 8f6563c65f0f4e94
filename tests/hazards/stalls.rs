//! The proxy reads from the caller only as fast as the shadow reads from the proxy.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{Full, StreamBody};
use hyper::body::{Body, Frame};
use serde_json::json;
use tokio::time::{Instant, timeout};

use super::naive::{self, Naive};
use super::rig::caller::call_http1;
use super::rig::echo::{Echo, Manner};
use super::rig::sidecar::Plane;
use super::rig::stage::{Stage, URL};

const MIB: usize = 1024 * 1024;
/// Far more than the buffers between a caller and a shadow hold.
const LARGE: usize = 20 * MIB;
/// What a copy may wait for, below the 5 s after which it is given up.
const LATE: Duration = Duration::from_secs(4);

/// Sends an upload, and yields how long it took; the live service has to answer with the same.
async fn upload<B>(proxy: SocketAddr, url: &str, size: usize, body: B) -> Duration
where
    B: Body<Data = Bytes, Error = Infallible> + Send + Unpin + 'static,
{
    let request = Request::post(url)
        .header("host", url.parse::<http::Uri>().unwrap().host().unwrap())
        .body(body)
        .unwrap();
    let start = Instant::now();
    let answer = call_http1(proxy, request).await;
    assert_eq!((answer.status().as_u16(), answer.body().len()), (200, size));
    assert_eq!(answer.headers()["x-served-by"], "v1");
    start.elapsed()
}

/// A body of known length.
fn whole(size: usize) -> Full<Bytes> {
    Full::new(Bytes::from(vec![b'x'; size]))
}

/// A body of unknown length, in pieces.
fn pieces(size: usize) -> impl Body<Data = Bytes, Error = Infallible> + Send + Unpin {
    let piece = Bytes::from(vec![b'x'; 64 * 1024]);
    let frames = vec![piece; size / (64 * 1024)].into_iter();
    StreamBody::new(tokio_stream::iter(
        frames.map(|piece| Ok(Frame::data(piece))),
    ))
}

/// Likewise, for the sidecars.
async fn stages(manner: Manner) -> Vec<Stage> {
    let mut stages = Vec::new();
    for plane in Plane::ALL.into_iter().filter(|plane| !plane.delta) {
        stages.extend(Stage::with_shadow(plane, manner).await);
    }
    stages
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shadow_that_reads_late_does_not_stall_an_upload() {
    let manner = Manner::ReadsAfter(LATE);
    let (live, shadow) = (Echo::start("v1").await, Echo::with("v2", manner).await);
    let naive = Naive::mirroring(live.address, shadow.address, "60s");
    let Some(envoy) = naive.start().await else {
        return;
    };
    let stalled = upload(envoy.proxy, naive::URL, LARGE, whole(LARGE)).await;
    eprintln!("naive: {stalled:?}");
    assert!(stalled >= LATE / 2, "the control was not stalled");
    for stage in stages(manner).await {
        for size in [MIB, LARGE] {
            let took = upload(stage.sidecar.proxy, URL, size, whole(size)).await;
            eprintln!("{stage}: {size} bytes in {took:?}");
            assert!(
                took < stalled / 2,
                "{stage}: {size} bytes took {took:?} of {stalled:?}"
            );
        }
        // What is copied comes whole, however late.
        super::rig::eventually(format_args!("{stage}: the small one is copied"), || async {
            let seen = stage.shadow.seen();
            seen.iter().any(|copy| copy.body.len() == MIB).then_some(())
        })
        .await;
        stage.assert_no_nack();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shadow_that_never_reads_does_not_hang_an_upload_past_its_timeout() {
    let live = Echo::start("v1").await;
    let shadow = Echo::with("v2", Manner::Hangs).await;
    let naive = Naive::mirroring(live.address, shadow.address, "1s");
    let Some(envoy) = naive.start().await else {
        return;
    };
    // Its time begins when the request is complete, which it never is.
    let hung = timeout(LATE, upload(envoy.proxy, naive::URL, LARGE, whole(LARGE)));
    assert!(hung.await.is_err(), "the control was answered");
    for stage in stages(Manner::Hangs).await {
        for size in [MIB, LARGE] {
            let took = upload(stage.sidecar.proxy, URL, size, whole(size)).await;
            eprintln!("{stage}: {size} bytes in {took:?}");
            assert!(took < LATE / 2, "{stage}: {size} bytes took {took:?}");
        }
        stage.assert_no_nack();
    }
}

/// A bound on the length of what is copied is of no use if the length is not known.
#[tokio::test(flavor = "multi_thread")]
async fn an_upload_of_unknown_length_waits_for_no_shadow() {
    let live = Echo::start("v1").await;
    let shadow = Echo::with("v2", Manner::Hangs).await;
    let length = |is| json!({ "prefix": "/", "headers": [is] });
    let copied = json!({ "cluster": "live", "timeout": "0s", "request_mirror_policies": [{ "cluster": "shadow" }] });
    let routes = json!([
        {
            "match": length(json!({ "name": "content-length", "range_match": { "start": 0, "end": MIB + 1 } })),
            "route": copied,
        },
        {
            "match": length(json!({ "name": "content-length", "present_match": true })),
            "route": { "cluster": "live", "timeout": "0s" },
        },
        { "match": { "prefix": "/" }, "route": copied },
    ]);
    let bound = json!({ "common_http_protocol_options": { "max_stream_duration": "4s" } });
    let clusters = vec![
        naive::cluster("live", live.address),
        naive::cluster_with("shadow", shadow.address, bound),
    ];
    let Some(envoy) = Naive::new(routes, clusters).start().await else {
        return;
    };
    let known = upload(envoy.proxy, naive::URL, LARGE, whole(LARGE)).await;
    let stalled = upload(envoy.proxy, naive::URL, LARGE, pieces(LARGE)).await;
    eprintln!("naive: of known length {known:?}, of unknown length {stalled:?}");
    assert!(
        known < stalled / 2 && stalled >= LATE / 2,
        "the control was not stalled"
    );
    for stage in stages(Manner::Hangs).await {
        let took = upload(stage.sidecar.proxy, URL, LARGE, pieces(LARGE)).await;
        eprintln!("{stage}: {took:?}");
        assert!(took < stalled / 2, "{stage}: {took:?} of {stalled:?}");
        stage.assert_no_nack();
    }
}
