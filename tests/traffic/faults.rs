//! A shadow in trouble never hurts the primary.

use std::time::Duration;

use super::rig::caller::load;
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

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_not_held_up_by_a_shadow_that_does_not_read() {
    for plane in Plane::ALL.into_iter().filter(|plane| !plane.delta) {
        let Some(stage) = Stage::with_shadow(plane, Manner::Hangs).await else {
            continue;
        };
        // Within what is copied, and far above it. A shadow that holds an upload does so for its time limit of seconds.
        for size in [UPLOAD, 20 * UPLOAD] {
            let body = vec![b'x'; size];
            let mut caller = stage.caller().await;
            let answer = caller.call("POST", URL, &body).await.unwrap();
            assert_eq!(
                (answer.status().as_u16(), answer.body().len()),
                (200, size),
                "{stage}"
            );
        }
        let log = stage.control_plane.log();
        assert!(!log.contains("MP503"), "{log}");
    }
}
