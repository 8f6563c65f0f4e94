//! What copies may use is what the configuration says.

use std::time::Duration;

use super::rig::echo::Manner;
use super::rig::eventually;
use super::rig::sidecar::{Kind, Plane, Sidecar};
use super::rig::stage::{Stage, URL};

/// Both data planes, over one variant of the protocol.
fn planes() -> impl Iterator<Item = Plane> {
    Plane::ALL.into_iter().filter(|plane| plane.delta)
}

/// Adds keys to the configuration of the example.
fn configure(stage: &Stage, keys: &[&str]) {
    let lines = keys.iter().map(|key| format!("    {key}\n"));
    let lines: String = lines.collect();
    let port = "    port: 8080\n";
    stage
        .mesh
        .edit("mirror.yaml", port, &format!("{port}{lines}"));
}

/// Whether a body of this size is copied.
async fn copies(stage: &Stage, size: usize) -> bool {
    stage.shadow.forget();
    let body = vec![b'x'; size];
    let answer = stage.caller().await.call("POST", URL, &body).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.body().len()), (200, size));
    let copies = stage.shadow.settled().await;
    assert!(copies <= 1, "{stage}: {copies}");
    copies == 1
}

/// How many requests Envoy has counted as spared because of their body.
async fn spared(sidecar: &Sidecar) -> u64 {
    sidecar
        .stats_ending("route.spared_body.upstream_rq_completed")
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_body_is_what_is_said_and_what_is_larger_is_counted() {
    for plane in planes() {
        let Some(stage) = Stage::new(plane).await else {
            continue;
        };
        configure(&stage, &["maxBodyBytes: 1k"]);
        eventually("the limit has an effect", || async {
            (!copies(&stage, 1001).await).then_some(())
        })
        .await;
        let before = match plane.kind {
            Kind::Envoy => spared(&stage.sidecar).await,
            Kind::Shim => 0,
        };
        for (size, copied) in [(1000, true), (1001, false), (0, true), (100_000, false)] {
            assert_eq!(copies(&stage, size).await, copied, "{stage}: {size}");
        }
        if plane.kind == Kind::Envoy {
            assert_eq!(spared(&stage.sidecar).await - before, 2, "{stage}");
        }
        stage
            .mesh
            .edit("mirror.yaml", "maxBodyBytes: 1k", "maxBodyBytes: 0");
        eventually("no body is copied", || async {
            (!copies(&stage, 1).await).then_some(())
        })
        .await;
        assert!(copies(&stage, 0).await, "{stage}");
        stage
            .mesh
            .edit("mirror.yaml", "maxBodyBytes: 0", "maxBodyBytes: 4Mi");
        eventually("a larger body is copied", || async {
            copies(&stage, 4 << 20).await.then_some(())
        })
        .await;
        stage.assert_no_nack();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_copies_are_under_way_and_for_so_long() {
    for plane in planes() {
        // It takes requests, and does not answer within any of these times.
        let manner = Manner::AnswersAfter(Duration::from_secs(600));
        let Some(stage) = Stage::with_shadow(plane, manner).await else {
            continue;
        };
        configure(&stage, &["maxConcurrentRequests: 2", "timeout: 5m"]);
        // The change makes the cluster anew; what was under way before does not count.
        eventually("two at a time", || async {
            stage.shadow.forget();
            let mut caller = stage.caller().await;
            for _ in 0..10 {
                caller.call("GET", URL, b"").await.unwrap();
            }
            (stage.shadow.settled().await == 2).then_some(())
        })
        .await;
        stage
            .mesh
            .edit("mirror.yaml", "timeout: 5m", "timeout: 100ms");
        // 100 one after the other, two at a time: within the deadline only if each ends after 100 ms.
        eventually("copies end when their time is up", || async {
            stage.caller().await.call("GET", URL, b"").await.unwrap();
            (stage.shadow.count() >= 100).then_some(())
        })
        .await;
        stage.assert_no_nack();
    }
}
