//! A ramp that does not go on while its shadow fails: by runtime values alone, and no request is the worse for it.

use super::rig::caller::load;
use super::rig::echo::Manner;
use super::rig::eventually;
use super::rig::sidecar::Plane;
use super::rig::stage::{Stage, URL};

/// Half of the requests until ten of a hundred copies fail at most, then all.
const GATED: &str = "    ramp:\n      steps:\n        - percentage: { value: 0.5 }\n          duration: 4s\n          gate: { maxFailures: 0.1, minRequests: 20 }\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_stays_shut_while_the_shadow_fails_and_opens_when_it_answers() {
    for plane in Plane::ALL {
        let Some(stage) = Stage::with_shadow(plane, Manner::Fails).await else {
            continue;
        };
        let before = "    percentage:\n";
        let at_rest = stage.sidecar.structure().await;
        stage
            .mesh
            .edit("mirror.yaml", before, &format!("{GATED}{before}"));
        let waits = "its ramp waits at step 1 of 1, at most 50%, for 20 copies within 4s of which at most 10% fail";
        let why = "failed, more than 10%";
        eventually(format_args!("{stage}: the ramp waits"), || async {
            copied(&stage).await;
            let log = stage.control_plane.log();
            log.lines()
                .any(|line| line.contains(waits) && line.contains(why))
                .then_some(())
        })
        .await;
        // However long it waits.
        for _ in 0..3 {
            let copies = copied(&stage).await;
            assert!(copies > 0 && copies < 40, "{stage}: {copies} of 40");
        }
        stage.shadow.behave(Manner::Answers);
        eventually(format_args!("{stage}: all are copied"), || async {
            (copied(&stage).await == 40).then_some(())
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

/// How many of 40 requests are copied; none may fail.
async fn copied(stage: &Stage) -> usize {
    stage.shadow.forget();
    let part = load(stage.sidecar.proxy, URL, 40, 2, "v1").await;
    assert_eq!(part.failures, [""; 0], "{stage}");
    stage.shadow.settled().await
}
