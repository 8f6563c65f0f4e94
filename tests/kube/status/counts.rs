//! The sidecars of all replicas count, whichever of them writes.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep, sleep_until};

use super::rights::{acting_as, grant};
use super::{CHAIN, CONFIG, cluster, get, message};
use crate::rig::{Cluster, eventually};
use crate::serve::Serve;
use crate::sidecar::{Answering, ask};
use crate::source::mesh::config;

const NOTES: [&str; 3] = ["configmaps", "-n", "mirrorplane-system"];

/// A sidecar that accepts whatever it is sent, or rejects it.
async fn join(at: &Serve, accepts: bool) -> Answering {
    let sidecar = ask(&at.address, "curl/curl", None).await.unwrap();
    sidecar.answering(accepts)
}

/// Waits until so many of so many sidecars are said to have the rule.
async fn counts(cluster: &Cluster, expected: &str) -> Value {
    eventually(format!("it is on {expected}"), async || {
        let found = get(cluster, &CONFIG).await;
        (found["status"]["sidecars"] == expected).then_some(found)
    })
    .await
}

/// What replicas have told, as it is in the API server.
async fn notes(cluster: &Cluster) -> Vec<Value> {
    let label = ["-l", "mirrorplane.io/tells=sidecar-counts"];
    let list = get(cluster, &[&NOTES[..], &label].concat()).await;
    list["items"].as_array().unwrap().clone()
}

/// Two control planes with the rights of the manifests; the first leads.
async fn two(cluster: &Cluster) -> (Serve, Serve) {
    grant(cluster).await;
    let folder = tempfile::tempdir().unwrap();
    let account = acting_as(cluster, folder.path(), "mirrorplane");
    let flags = ["--kubeconfig", &account];
    let first = Serve::start(cluster, &flags).await;
    eventually("the first leads", async || {
        (first.find_metric("leader").await == Some(1)).then_some(())
    })
    .await;
    let second = Serve::start(cluster, &flags).await;
    (first, second)
}

#[tokio::test]
async fn the_sidecars_of_all_replicas_count() {
    let Some(cluster) = cluster().await else {
        return;
    };
    let (leader, mut other) = two(&cluster).await;
    let own = join(&leader, true).await;
    counts(&cluster, "1/1").await;
    // Who has no sidecars tells nothing, and a leader need not be told.
    assert_eq!(notes(&cluster).await, [json!(null); 0]);
    let theirs = join(&other, true).await;
    let both = counts(&cluster, "2/2").await;
    assert_eq!(message(&both, "Programmed"), "on 2 of 2 sidecars");
    let chain = async || get(&cluster, &CHAIN).await["status"]["selectedSidecars"].clone();
    eventually("the chain selects both", async || {
        (chain().await == 2).then_some(())
    })
    .await;
    assert_eq!(notes(&cluster).await.len(), 1);
    assert_eq!(leader.metric("sidecar_counts_told_total").await, 0);

    // While nothing changes it is renewed now and then, and no status is written.
    let told = async || other.metric("sidecar_counts_told_total").await;
    let versions = async || {
        let object = get(&cluster, &CONFIG).await;
        let statuses = leader.metric("status_writes_total").await;
        (object["metadata"]["resourceVersion"].clone(), statuses)
    };
    let (before, began, statuses) = (told().await, Instant::now(), versions().await);
    sleep(Duration::from_secs(18)).await;
    let (writes, took) = (told().await - before, began.elapsed());
    assert!(writes >= 1, "nothing is renewed");
    assert!(writes <= took.as_secs() / 5 + 1, "{writes} in {took:?}");
    assert_eq!(versions().await, statuses, "what is renewed counts on");

    // A change has to be everywhere, and is.
    cluster.apply_all(&[config(&json!(0.5))]).await;
    eventually("both have the change", async || {
        let found = get(&cluster, &CONFIG).await;
        let status = &found["status"];
        let newest = status["conditions"][2]["observedGeneration"] == 2;
        (newest && status["share"] == "50%" && status["sidecars"] == "2/2").then_some(())
    })
    .await;

    // What one of theirs says is told on.
    let refusing = join(&other, false).await;
    let rejected = eventually("it is told who rejects it", async || {
        let found = get(&cluster, &CONFIG).await;
        (found["status"]["currentStatus"] == "Rejected").then_some(found)
    })
    .await;
    let said = message(&rejected, "Programmed");
    assert!(
        said.ends_with("MP503: `curl/curl` says: not today"),
        "{said}"
    );
    drop(refusing);
    counts(&cluster, "2/2").await;

    // One that goes over is not counted twice for long.
    drop(theirs);
    let here = join(&leader, true).await;
    eventually("nothing is told of it any more", async || {
        notes(&cluster).await.is_empty().then_some(())
    })
    .await;
    counts(&cluster, "2/2").await;
    drop(own);
    counts(&cluster, "1/1").await;

    // One that stops in order takes back what it told.
    let theirs = join(&other, true).await;
    counts(&cluster, "2/2").await;
    other.stop().await;
    assert_eq!(notes(&cluster).await, [json!(null); 0]);
    counts(&cluster, "1/1").await;
    drop((here, theirs));
    for log in [leader.log(), other.log()] {
        assert!(
            !log.contains("MP506") && !log.contains("forbidden"),
            "{log}"
        );
    }
}

#[tokio::test]
async fn the_sidecars_of_a_replica_that_died_are_counted_where_they_go() {
    let Some(cluster) = cluster().await else {
        return;
    };
    let (leader, mut other) = two(&cluster).await;
    let own = join(&leader, true).await;
    let theirs = join(&other, true).await;
    counts(&cluster, "2/2").await;
    other.kill();
    let killed = Instant::now();
    drop(theirs);
    let moved = join(&leader, true).await;
    let third = join(&leader, true).await;
    // What the dead one said is forgotten, but not at once: it might be slow.
    sleep_until(killed + Duration::from_secs(16)).await;
    counts(&cluster, "3/3").await;
    let took = killed.elapsed();
    assert!(took < Duration::from_secs(45), "{took:?}");
    drop((own, moved));
    counts(&cluster, "1/1").await;
    // And at last its note is removed, as nobody else does.
    eventually("nothing is left", async || {
        notes(&cluster).await.is_empty().then_some(())
    })
    .await;
    drop(third);
}

#[tokio::test]
async fn whoever_leads_next_counts_all() {
    let Some(cluster) = cluster().await else {
        return;
    };
    let (mut leader, other) = two(&cluster).await;
    let own = join(&leader, true).await;
    let theirs = join(&other, true).await;
    counts(&cluster, "2/2").await;
    leader.kill();
    drop(own);
    let moved = join(&other, true).await;
    eventually("the other leads", async || {
        (other.find_metric("leader").await == Some(1)).then_some(())
    })
    .await;
    let second = join(&other, true).await;
    counts(&cluster, "3/3").await;
    // Its own note is not counted besides.
    eventually("it tells itself nothing", async || {
        notes(&cluster).await.is_empty().then_some(())
    })
    .await;
    counts(&cluster, "3/3").await;
    drop((theirs, moved, second));
}
