//! A shadow in trouble never hurts the primary.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::rig::caller::{Caller, load};
use super::rig::echo::{Echo, Manner};
use super::rig::sidecar::Plane;
use super::rig::stage::{Stage, URL};
use super::share::set_share;

const REQUESTS: usize = 4000;
const CONNECTIONS: usize = 8;
/// Fits what is copied; a bigger body is not.
const UPLOAD: usize = 1024 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn every_primary_request_succeeds_whatever_the_shadow_does() {
    let manners = [
        ("answers", Manner::Answers),
        ("answers with 500", Manner::Fails),
        (
            "answers after 2 s",
            Manner::AnswersAfter(Duration::from_secs(2)),
        ),
        ("never answers", Manner::Hangs),
        ("resets connections", Manner::Resets),
    ];
    for plane in Plane::ALL.into_iter().filter(|plane| !plane.delta) {
        let Some(stage) = Stage::new(plane).await else {
            continue;
        };
        set_share(&stage, "0").await;
        judge(&stage, "is not mirrored to").await;
        assert_eq!(stage.shadow.settled().await, 0, "{stage}");
        for (name, manner) in manners {
            let Some(stage) = Stage::with_shadow(plane, manner).await else {
                continue;
            };
            judge(&stage, name).await;
        }
        let Some(mut stage) = Stage::new(plane).await else {
            continue;
        };
        // Dropped, it closes its port.
        stage.shadow = Echo::start("unused").await;
        judge(&stage, "refuses connections").await;
    }
}

/// A load run, of which no request may fail. The figures are for the README; no test depends on time.
async fn judge(stage: &Stage, shadow: &str) {
    let load = load(stage.sidecar.proxy, URL, REQUESTS, CONNECTIONS, "v1").await;
    eprintln!(
        "{stage}, the shadow {shadow}: {} of {REQUESTS} answered, p50 {:?}, p99 {:?}",
        load.latencies.len(),
        load.percentile(50),
        load.percentile(99),
    );
    let failed = load.failures.first();
    assert_eq!(failed, None, "{stage}, the shadow {shadow}");
    assert_eq!(load.latencies.len(), REQUESTS);
}

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
