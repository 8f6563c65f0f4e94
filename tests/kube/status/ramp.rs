//! A ramp goes on whoever of the control planes dies: its start is in the object's status, and all go by that.

use serde_json::{Value, json};

use mirrorplane::proto::envoy::config::endpoint::v3::UpstreamLocalityStats;

use super::reporter::Reporter;
use super::stopped::mirrorplane;
use super::{CONFIG, cluster, get};
use crate::rig::{Cluster, eventually};
use crate::serve::Serve;
use crate::source::mesh::config;
use crate::source::plane::Sidecar;

const NODE: &str = "curl/curl";

/// The guide's mirror, by these steps.
fn ramped(steps: &[(f64, &str)]) -> Value {
    let steps = steps
        .iter()
        .map(|(share, lasts)| json!({"percentage": {"value": share}, "duration": lasts}));
    let mut config = config(&json!(0.5));
    config["spec"]["config"]["ramp"] = json!({"steps": steps.collect::<Vec<_>>()});
    config
}

/// Waits until the status says that the ramp is at this step; all that it says of it.
async fn at_step(cluster: &Cluster, step: &str) -> Value {
    eventually(format!("the ramp is at {step}"), async || {
        let status = &get(cluster, &CONFIG).await["status"];
        (status["ramp"]["step"] == step).then(|| status.clone())
    })
    .await
}

async fn leads(serve: &Serve) {
    eventually("it leads", async || {
        (serve.find_metric("leader").await == Some(1)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_ramp_goes_on_at_the_right_step_when_the_leader_is_killed() {
    let Some(cluster) = cluster().await else {
        return;
    };
    let mut leader = Serve::start::<&str>(&cluster, &[]).await;
    leads(&leader).await;
    let other = Serve::start::<&str>(&cluster, &[]).await;
    let by_leader = Sidecar::at(&leader.address, NODE).await;
    let by_other = Sidecar::at(&other.address, NODE).await;
    by_other.has(Some(25.0)).await;

    let steps = [(0.01, "12s"), (0.1, "40s")];
    cluster.apply_all(&[ramped(&steps)]).await;
    by_leader.has(Some(1.0)).await;
    by_other.has(Some(1.0)).await;
    let first = at_step(&cluster, "1/2").await;
    assert_eq!(first["share"], "1%");
    let started = first["ramp"]["startedAt"].clone();
    assert!(started.is_string(), "{first}");

    leader.kill();
    drop(by_leader);
    // The step is due before anybody leads again.
    by_other.has(Some(10.0)).await;
    let second = at_step(&cluster, "2/2").await;
    assert_eq!(other.metric("leader").await, 1);
    assert_eq!(second["ramp"]["startedAt"], started, "it began once");
    assert_eq!(second["share"], "10%");
    // Whoever comes now is where the others are.
    let third = Serve::start::<&str>(&cluster, &[]).await;
    let by_third = Sidecar::at(&third.address, NODE).await;
    by_third.has(Some(10.0)).await;
    assert_eq!(by_third.told(), [Some(10.0)]);
    // Nothing is mirrored for the moment until the start was recorded.
    let told = by_other.told();
    assert_eq!(told[told.len() - 4..], [25.0, 0.0, 1.0, 10.0].map(Some));

    // Another share at the end is the same ramp, other steps are another one.
    let mut more = ramped(&steps);
    more["spec"]["config"]["percentage"]["value"] = json!(0.75);
    cluster.apply_all(&[more]).await;
    at_step(&cluster, "2/2").await;
    cluster.apply_all(&[ramped(&[(0.02, "3s")])]).await;
    by_third.has(Some(2.0)).await;
    let again = at_step(&cluster, "1/1").await;
    assert_ne!(again["ramp"]["startedAt"], started);
    by_third.has(Some(50.0)).await;
    at_step(&cluster, "done").await;
    assert_eq!(by_third.told(), [10.0, 0.0, 2.0, 50.0].map(Some));

    // Without a ramp nothing is said of one.
    cluster.apply_all(&[config(&json!(0.5))]).await;
    eventually("no ramp", async || {
        let status = &get(&cluster, &CONFIG).await["status"];
        status.get("ramp").is_none().then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_ramp_stands_still_while_it_is_stopped_and_when_the_leader_is_killed_meanwhile() {
    let Some(cluster) = cluster().await else {
        return;
    };
    let mut leader = Serve::start::<&str>(&cluster, &[]).await;
    leads(&leader).await;
    let other = Serve::start::<&str>(&cluster, &[]).await;
    let by_other = Sidecar::at(&other.address, NODE).await;
    by_other.has(Some(25.0)).await;
    cluster
        .apply_all(&[ramped(&[(0.01, "9s"), (0.1, "40s")])])
        .await;
    by_other.has(Some(1.0)).await;
    let began = at_step(&cluster, "1/2").await;
    let this = "curl/traffic-mirror-config";
    assert_eq!(mirrorplane(&cluster, &["stop", this]).1, Some(0));
    by_other.has(Some(0.0)).await;
    let held = eventually("it is held", async || {
        let status = &get(&cluster, &CONFIG).await["status"];
        status["ramp"]["heldAt"].is_string().then(|| status.clone())
    })
    .await;
    assert_eq!(held["ramp"]["waits"], "it is stopped");
    let wide = ["get", "pluginconfigs", "-n", "curl", "-o", "wide"];
    let table = cluster.kubectl(&wide).await.ok();
    assert!(
        table.contains("WAITS") && table.contains("it is stopped"),
        "{table}"
    );

    leader.kill();
    // Longer than the step lasts.
    leads(&other).await;
    let still = at_step(&cluster, "1/2").await;
    assert_eq!(still["ramp"], held["ramp"]);
    assert_eq!(mirrorplane(&cluster, &["resume", this]).1, Some(0));
    by_other.has(Some(1.0)).await;
    let resumed = eventually("it goes on", async || {
        let status = &get(&cluster, &CONFIG).await["status"];
        status["ramp"]["heldFor"]
            .is_string()
            .then(|| status.clone())
    })
    .await;
    assert_eq!(resumed["ramp"]["startedAt"], began["ramp"]["startedAt"]);
    by_other.has(Some(10.0)).await;
    let told = by_other.told();
    assert_eq!(told[told.len() - 4..], [1.0, 0.0, 1.0, 10.0].map(Some));
}

#[tokio::test]
async fn a_gate_opens_by_what_the_sidecars_of_all_replicas_report_and_stays_open() {
    let Some(cluster) = cluster().await else {
        return;
    };
    let mut leader = Serve::start::<&str>(&cluster, &[]).await;
    leads(&leader).await;
    let other = Serve::start::<&str>(&cluster, &[]).await;
    let by_leader = Sidecar::at(&leader.address, NODE).await;
    let by_other = Sidecar::at(&other.address, NODE).await;
    let mut gated = ramped(&[(0.01, "15s"), (0.1, "10m")]);
    gated["spec"]["config"]["ramp"]["steps"][0]["gate"] =
        json!({"maxFailures": 0.1, "minRequests": 10});
    cluster.apply_all(&[gated]).await;
    by_other.has(Some(1.0)).await;
    let (reporter, interval) = Reporter::asked(&other).await;
    assert_eq!(interval, 1);
    // So that there is something to compare with.
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let copies = |ok, failed| UpstreamLocalityStats {
        total_successful_requests: ok,
        total_error_requests: failed,
        total_issued_requests: ok + failed,
        ..UpstreamLocalityStats::default()
    };
    let waits = async |why: &str| {
        eventually(format!("it waits: {why}"), async || {
            let status = &get(&cluster, &CONFIG).await["status"];
            (status["ramp"]["waits"] == why).then_some(())
        })
        .await;
    };
    assert!(reporter.report(copies(0, 12)).await);
    waits("about 100% of the copies failed, more than 10%").await;
    waits("there were fewer than 10 copies").await;
    assert_eq!(
        by_leader.told().last(),
        Some(&Some(1.0)),
        "it is at the first step"
    );
    assert!(reporter.report(copies(300, 3)).await);
    by_leader.has(Some(10.0)).await;
    by_other.has(Some(10.0)).await;
    assert_eq!(at_step(&cluster, "2/2").await["ramp"]["passed"], 1);
    // Whoever leads next knows that it was passed.
    leader.kill();
    drop((by_leader, reporter));
    leads(&other).await;
    at_step(&cluster, "2/2").await;
    assert_eq!(by_other.told().last(), Some(&Some(10.0)));
}
