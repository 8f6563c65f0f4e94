//! A shadow that fails too often gets no more copies, by a runtime value alone, and no request is the worse for it.

use std::time::Duration;

use tokio::time::Instant;

use super::rig::caller::load;
use super::rig::echo::Manner;
use super::rig::eventually;
use super::rig::sidecar::Plane;
use super::rig::stage::{Stage, URL};

/// One copy in ten may fail.
const BUDGET: &str =
    "    timeout: 500ms\n    budget: { maxFailures: 0.1, window: 5s, minRequests: 10 }\n";

/// Sends requests until the condition holds; none may fail.
async fn busy_until(stage: &Stage, what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    eventually(format_args!("{stage}: {what}"), || async {
        let part = load(stage.sidecar.proxy, URL, 100, 2, "v1").await;
        assert_eq!(part.failures, [""; 0], "{stage}: {what}");
        holds().then_some(())
    })
    .await;
    eprintln!("{stage}: {what} after {:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shadow_that_fails_gets_no_more_copies_and_no_request_fails() {
    let manners = [
        ("fails", Manner::Fails),
        ("hangs", Manner::Hangs),
        ("resets", Manner::Resets),
    ];
    for plane in Plane::ALL {
        for (name, manner) in manners {
            // One variant of the protocol is enough for most of them.
            if plane.delta && manner != Manner::Fails {
                continue;
            }
            let Some(stage) = Stage::with_shadow(plane, manner).await else {
                continue;
            };
            let before = "    percentage:\n";
            stage
                .mesh
                .edit("mirror.yaml", before, &format!("{BUDGET}{before}"));
            // That it is no longer so is said as well, at another level.
            let blown = || {
                let log = stage.control_plane.log();
                let lines = log.lines().filter(|line| line.contains(" WARN "));
                lines.filter(|line| line.contains("MP706")).count()
            };
            busy_until(&stage, &format!("a shadow that {name} is found"), || {
                blown() == 1
            })
            .await;
            eventually(format_args!("{stage}: nothing is copied"), || async {
                stage.shadow.settled().await;
                let count = stage.shadow.count();
                load(stage.sidecar.proxy, URL, 40, 1, "v1").await;
                (stage.shadow.settled().await == count).then_some(())
            })
            .await;
            if manner != Manner::Fails {
                continue;
            }
            // It stays so, though nothing fails any more; a change of the object lets it go on, and it is found again.
            let at_rest = stage.sidecar.structure().await;
            tokio::time::sleep(Duration::from_secs(6)).await;
            let copies = stage.shadow.count();
            let after = load(stage.sidecar.proxy, URL, 100, 2, "v1").await;
            assert_eq!(after.failures, [""; 0], "{stage}");
            assert_eq!(stage.shadow.settled().await, copies, "{stage}");
            stage.mesh.share("0.9");
            busy_until(&stage, "it is found again", || blown() == 2).await;
            assert!(stage.shadow.count() > copies, "{stage}: it went on");
            assert_eq!(
                stage.sidecar.structure().await,
                at_rest,
                "{stage}: by runtime alone"
            );
            stage.assert_no_nack();
        }
    }
}

/// A host that is no Service is judged by the same budget.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_outside_that_fails_gets_no_more_copies() {
    for plane in Plane::ALL.into_iter().filter(|plane| plane.delta) {
        let Some(stage) = Stage::with_shadow(plane, Manner::Fails).await else {
            continue;
        };
        let address = stage.shadow.address;
        let outside = format!(
            "    external: {{ host: {}, port: {} }}\n",
            address.ip(),
            address.port()
        );
        let service = "    namespace: pipy\n    service: pipy-ok-v2\n    port: 8080\n";
        stage
            .mesh
            .edit("mirror.yaml", service, &format!("{outside}{BUDGET}"));
        busy_until(&stage, "a host that fails is found", || {
            stage.control_plane.log().contains("MP706")
        })
        .await;
        stage.assert_no_nack();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shadow_that_answers_keeps_its_copies() {
    for plane in Plane::ALL.into_iter().filter(|plane| !plane.delta) {
        let Some(stage) = Stage::new(plane).await else {
            continue;
        };
        let before = "    percentage:\n";
        stage
            .mesh
            .edit("mirror.yaml", before, &format!("{BUDGET}{before}"));
        let start = Instant::now();
        busy_until(&stage, "it was looked at", || {
            start.elapsed() > Duration::from_secs(5)
        })
        .await;
        stage.shadow.settled().await;
        stage.shadow.forget();
        load(stage.sidecar.proxy, URL, 40, 1, "v1").await;
        assert_eq!(stage.shadow.settled().await, 40, "{stage}");
        assert!(!stage.control_plane.log().contains("MP706"), "{stage}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_above_the_cap_are_no_failures() {
    for plane in Plane::ALL.into_iter().filter(|plane| !plane.delta) {
        let late = Manner::AnswersAfter(Duration::from_millis(300));
        let Some(stage) = Stage::with_shadow(plane, late).await else {
            continue;
        };
        let before = "    percentage:\n";
        let few = format!("    maxConcurrentRequests: 4\n{BUDGET}{before}");
        stage.mesh.edit("mirror.yaml", before, &few);
        let start = Instant::now();
        let mut requests = 0;
        while start.elapsed() < Duration::from_secs(6) {
            let part = load(stage.sidecar.proxy, URL, 100, 2, "v1").await;
            assert_eq!(part.failures, [""; 0], "{stage}");
            requests += 100;
        }
        let copies = stage.shadow.settled().await;
        assert!(copies > 10 && copies < requests / 2, "{stage}: {copies}");
        assert!(!stage.control_plane.log().contains("MP706"), "{stage}");
    }
}

/// One copy in ten may take longer than 200 ms.
const QUICK: &str = "    budget: { maxSlow: 0.1, slowAfter: 200ms, window: 5s, minRequests: 10 }\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_shadow_that_is_slow_gets_no_more_copies_where_that_is_asked() {
    for plane in Plane::ALL {
        let slow = Manner::AnswersAfter(Duration::from_millis(400));
        let Some(stage) = Stage::with_shadow(plane, slow).await else {
            continue;
        };
        let before = "    percentage:\n";
        stage
            .mesh
            .edit("mirror.yaml", before, &format!("{QUICK}{before}"));
        stage.shadow.behave(Manner::Answers);
        let start = Instant::now();
        busy_until(&stage, "it was looked at while it was quick", || {
            start.elapsed() > Duration::from_secs(4)
        })
        .await;
        assert!(!stage.control_plane.log().contains("MP706"), "{stage}");
        let at_rest = stage.sidecar.structure().await;
        stage.shadow.behave(slow);
        busy_until(&stage, "a shadow that is slow is found", || {
            stage.control_plane.log().contains("MP706")
        })
        .await;
        let why = "copies took 200ms or longer within 5s, more than 10%";
        let log = stage.control_plane.log();
        assert!(log.contains(why), "{stage}: {log}");
        eventually(format_args!("{stage}: nothing is copied"), || async {
            let count = stage.shadow.settled().await;
            load(stage.sidecar.proxy, URL, 40, 1, "v1").await;
            (stage.shadow.settled().await == count).then_some(())
        })
        .await;
        assert_eq!(
            stage.sidecar.structure().await,
            at_rest,
            "{stage}: by runtime alone"
        );
        stage.assert_no_nack();
    }
}
