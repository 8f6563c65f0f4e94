//! Steps of a ramp: each is a runtime value at its time, and nothing else.

use std::time::{Duration, SystemTime};

use mirrorplane::snapshot::ResourceType;

use super::live::responses_after;
use super::rig::caller::load;
use super::rig::eventually;
use super::rig::mesh::Mesh;
use super::rig::sidecar::Plane;
use super::rig::stage::{Stage, URL};

/// Puts a ramp before the share of the example.
fn ramp(mesh: &Mesh, start: Option<SystemTime>, steps: &[(&str, &str)]) {
    let mut text = String::from("    ramp:\n");
    if let Some(start) = start {
        text += &format!("      start: {}\n", prost_types::Timestamp::from(start));
    }
    text += "      steps:\n";
    for (share, lasts) in steps {
        text +=
            &format!("        - percentage: {{ value: {share} }}\n          duration: {lasts}\n");
    }
    let before = "    percentage:\n";
    mesh.edit("mirror.yaml", before, &format!("{text}{before}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_step_is_one_runtime_response_and_nothing_else() {
    for delta in [false, true] {
        let steps = [("0.01", "400ms"), ("0.1", "400ms")];
        let sent = responses_after(delta, |mesh| ramp(mesh, None, &steps)).await;
        assert_eq!(sent, [ResourceType::Runtime; 3], "delta={delta}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ramp_leads_from_nothing_to_everything_and_no_request_fails() {
    for plane in Plane::ALL {
        let Some(stage) = Stage::new(plane).await else {
            continue;
        };
        let before = stage.sidecar.structure().await;
        let proxy = stage.sidecar.proxy;
        let start = SystemTime::now() + Duration::from_secs(3);
        ramp(&stage.mesh, Some(start), &[("0.5", "3s")]);
        // How many of 40 are copied: none, some, all.
        let copied = async || {
            stage.shadow.forget();
            let probe = load(proxy, URL, 40, 2, "v1").await;
            assert_eq!(probe.failures, [""; 0], "{stage}");
            stage.shadow.settled().await
        };
        for (what, is_so) in [
            ("none", (|copies| copies == 0) as fn(usize) -> bool),
            ("some", |copies| copies > 0 && copies < 40),
            ("all", |copies| copies == 40),
        ] {
            eventually(format_args!("{stage}: {what} are copied"), || async {
                is_so(copied().await).then_some(())
            })
            .await;
        }
        assert_eq!(
            stage.sidecar.structure().await,
            before,
            "{stage}: by runtime alone"
        );
        stage
            .control_plane
            .logged("its ramp is at step 1 of 1: at most 50%, until")
            .await;
        stage.assert_no_nack();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ramp_with_a_start_goes_on_where_it_is_after_a_kill() {
    let plane = Plane::ALL[0];
    let Some(mut stage) = Stage::new(plane).await else {
        return;
    };
    let start = SystemTime::now() - Duration::from_secs(3600);
    ramp(&stage.mesh, Some(start), &[("1", "10m"), ("0", "2h")]);
    let at_step = "its ramp is at step 2 of 2: at most 0%";
    stage.control_plane.logged(at_step).await;
    stage.control_plane.kill();
    stage.control_plane.restart().await;
    eventually("it is at the same step", || async {
        let log = stage.control_plane.log();
        (log.matches(at_step).count() == 2).then_some(())
    })
    .await;
    stage.shadow.settled().await;
    stage.shadow.forget();
    let after = load(stage.sidecar.proxy, URL, 40, 1, "v1").await;
    assert_eq!(after.failures, [""; 0]);
    assert_eq!(stage.shadow.settled().await, 0, "it does not begin anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ramp_that_makes_no_sense_leaves_what_was_valid_in_force() {
    let plane = Plane::ALL[0];
    let Some(stage) = Stage::new(plane).await else {
        return;
    };
    ramp(&stage.mesh, None, &[("0.1", "soon")]);
    stage
        .control_plane
        .logged("is not a time that a step may last")
        .await;
    let whole = load(stage.sidecar.proxy, URL, 40, 1, "v1").await;
    assert_eq!(whole.failures, [""; 0]);
    assert_eq!(stage.shadow.settled().await, 40);
}
