//! Uploads to a shadow that does not read.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::{Request, Version};
use http_body_util::StreamBody;
use hyper::body::Frame;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::rig::caller::{Caller, call_http2};
use crate::rig::echo::Manner;
use crate::rig::sidecar::Plane;
use crate::rig::stage::{Stage, URL};

/// Fits what is copied; a bigger body is not.
const UPLOAD: usize = 1024 * 1024;

/// Well below the 5 s after which a copy is given up, and with it whatever waits for it.
const HELD_UP: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_not_held_up_by_a_shadow_that_does_not_read() {
    for plane in Plane::ALL.into_iter().filter(|plane| !plane.delta) {
        let Some(stage) = Stage::with_shadow(plane, Manner::Hangs).await else {
            continue;
        };
        // Within what is copied, and far above it.
        for size in [UPLOAD, 20 * UPLOAD] {
            upload(stage.caller().await, size).await;
        }
        stage.assert_no_nack();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_at_once_are_not_held_up_by_an_http2_shadow_that_does_not_read() {
    for plane in Plane::ALL.into_iter().filter(|plane| !plane.delta) {
        let Some(stage) = Stage::with_shadow(plane, Manner::HangsAfterWindows).await else {
            continue;
        };
        let mut at_once = JoinSet::new();
        for _ in 0..30 {
            at_once.spawn(upload(stage.caller().await, UPLOAD));
        }
        let parallel = at_once.join_all().await;
        let mut sequential = Vec::new();
        for _ in 0..40 {
            sequential.push(upload(stage.caller().await, UPLOAD).await);
        }
        eprintln!(
            "{stage}: 30 uploads at once, the slowest {:?}; 40 in a row, the slowest {:?}",
            parallel.iter().max(),
            sequential.iter().max(),
        );
        stage.assert_no_nack();
    }
}

/// One upload, and how long it took.
async fn upload(mut caller: Caller, size: usize) -> Duration {
    let start = Instant::now();
    let answer = caller.call("POST", URL, &vec![b'x'; size]).await.unwrap();
    let elapsed = start.elapsed();
    assert_eq!((answer.status().as_u16(), answer.body().len()), (200, size));
    assert!(elapsed < HELD_UP, "{size} bytes took {elapsed:?}");
    elapsed
}

/// More than are copied at a time.
const CALLS: usize = 100;

#[tokio::test(flavor = "multi_thread")]
async fn a_grpc_stream_for_whose_copy_there_is_no_place_waits_for_none() {
    for plane in Plane::ALL.into_iter().filter(|plane| !plane.delta) {
        let Some(stage) = Stage::with_shadow(plane, Manner::HangsAfterWindows).await else {
            continue;
        };
        // All at once: a copy gives its place back after five seconds.
        join_all((0..CALLS).map(|_| grpc(&stage, 1))).await;
        let start = Instant::now();
        grpc(&stage, 512).await;
        let elapsed = start.elapsed();
        eprintln!("{stage}: a stream of 32 MiB behind {CALLS} copies: {elapsed:?}");
        assert!(elapsed < HELD_UP, "{stage}: {elapsed:?}");
        stage.assert_no_nack();
    }
}

/// A call with so many pieces of 64 KiB.
async fn grpc(stage: &Stage, pieces: usize) {
    let piece = Bytes::from(vec![b'x'; 64 * 1024]);
    let frames = vec![piece; pieces].into_iter();
    let frames = frames.map(|piece| Ok(Frame::data(piece)));
    let request = Request::post(URL)
        .version(Version::HTTP_2)
        .header("content-type", "application/grpc")
        .body(StreamBody::new(tokio_stream::iter(frames)))
        .unwrap();
    let answer = call_http2(stage.sidecar.proxy, request).await;
    assert_eq!(answer.body().len(), pieces * 64 * 1024, "{stage}");
}
