//! A ramp goes on whoever of the control planes dies: its start is in the object's status, and all go by that.

use serde_json::{Value, json};

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
