//! Uploads to a shadow that does not read.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::rig::caller::Caller;
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
