//! Of several control planes one writes, and when it dies another one does.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::{CONFIG, cluster, get, has};
use crate::rig::eventually;
use crate::serve::Serve;
use crate::source::mesh::config;

const ALONE: &str =
    "Accepted=True:Accepted ResolvedRefs=True:ResolvedRefs Programmed=False:NoSidecars";

#[tokio::test]
async fn one_writes_and_another_takes_over() {
    let Some(cluster) = cluster().await else {
        return;
    };
    let mut first = Serve::start::<&str>(&cluster, &[]).await;
    eventually("the first leads", async || {
        (first.find_metric("leader").await == Some(1)).then_some(())
    })
    .await;
    let mut second = Serve::start::<&str>(&cluster, &[]).await;
    let third = Serve::start(&cluster, &["--no-status"]).await;
    has(&cluster, &CONFIG, ALONE).await;
    for share in [0.3, 0.4] {
        cluster.apply_all(&[config(&json!(share))]).await;
        has(&cluster, &CONFIG, ALONE).await;
    }
    let writes = first.metric("status_writes_total").await;
    assert!(writes >= 3, "{writes}");
    for other in [&second, &third] {
        assert_eq!(other.metric("status_writes_total").await, 0);
        assert_eq!(other.metric("leader").await, 0);
    }

    // It says nothing more: the second waits for the end of the Lease, and not longer than it must.
    first.kill();
    let killed = Instant::now();
    cluster.apply_all(&[config(&json!(0.5))]).await;
    let taken_over = has(&cluster, &CONFIG, ALONE).await;
    assert_eq!(taken_over["status"]["share"], "50%");
    assert!(killed.elapsed() > Duration::from_secs(5), "two at once");
    assert_eq!(second.metric("leader").await, 1);
    let lease = ["lease", "mirrorplane-leader", "-n", "mirrorplane-system"];
    assert_eq!(get(&cluster, &lease).await["spec"]["leaseTransitions"], 1);
    // What was right already was not written again.
    assert_eq!(second.metric("status_writes_total").await, 1);

    // One that is asked to stop gives the Lease back.
    second.stop().await;
    let lease = get(&cluster, &lease).await;
    assert_eq!(lease["spec"].get("holderIdentity"), None, "{lease}");
}
