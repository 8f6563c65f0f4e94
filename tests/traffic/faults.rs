//! A shadow in trouble never hurts the primary.

use std::time::Duration;

use super::rig::caller::{Load, load};
use super::rig::echo::Manner;
use super::rig::sidecar::Plane;
use super::rig::stage::{Stage, URL};

const REQUESTS: usize = 2000;
const CONNECTIONS: usize = 8;
/// Fits what is copied; a bigger body is not.
const UPLOAD: usize = 1024 * 1024;

async fn run(stage: &Stage) -> Load {
    load(stage.sidecar.proxy, URL, REQUESTS, CONNECTIONS, "v1").await
}

fn report(stage: &Stage, shadow: &str, load: &Load) {
    eprintln!(
        "{stage}, shadow {shadow}: {} of {REQUESTS} answered, p50 {:?}, p99 {:?}",
        load.latencies.len(),
        load.percentile(50),
        load.percentile(99),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_primary_request_succeeds_whatever_the_shadow_does() {
    let manners = [
        ("answers", Manner::Answers),
        ("fails", Manner::Fails),
        (
            "answers after 2 s",
            Manner::AnswersAfter(Duration::from_secs(2)),
        ),
        ("never answers", Manner::Hangs),
        ("resets", Manner::Resets),
    ];
    for plane in Plane::ALL.into_iter().filter(|plane| !plane.delta) {
        for (name, manner) in manners {
            let Some(stage) = Stage::with_shadow(plane, manner).await else {
                continue;
            };
            let load = run(&stage).await;
            report(&stage, name, &load);
            assert!(
                load.failures.is_empty(),
                "{stage}, shadow {name}: {:?}",
                load.failures.first()
            );
        }
        let Some(mut stage) = Stage::new(plane).await else {
            continue;
        };
        let shadow = std::mem::replace(
            &mut stage.shadow,
            super::rig::echo::Echo::start("unused").await,
        );
        drop(shadow);
        let load = run(&stage).await;
        report(&stage, "is gone, its port refuses", &load);
        assert!(
            load.failures.is_empty(),
            "{stage}, shadow refuses: {:?}",
            load.failures.first()
        );
    }
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
