//! One share for the sidecars of all replicas: the leader decides it by what all of them send.

use mirrorplane::proto::envoy::config::endpoint::v3::UpstreamLocalityStats;
use serde_json::json;
use tokio::time::{Duration, sleep};

use super::reporter::{NODE, Reporter};
use super::{CONFIG, cluster, get};
use crate::rig::eventually;
use crate::serve::Serve;
use crate::source::mesh::config;
use crate::source::plane::Sidecar;

/// Reports that so many copies are sent each second.
async fn send(at: &Serve, each_second: u64) {
    let (reporter, _) = Reporter::asked(at).await;
    let copies = UpstreamLocalityStats {
        total_successful_requests: each_second,
        total_issued_requests: each_second,
        ..UpstreamLocalityStats::default()
    };
    tokio::spawn(async move {
        while reporter.report(copies.clone()).await {
            sleep(Duration::from_secs(1)).await;
        }
    });
}

#[tokio::test]
async fn the_leader_decides_one_share_by_what_all_send() {
    let Some(cluster) = cluster().await else {
        return;
    };
    let mut leader = Serve::start::<&str>(&cluster, &[]).await;
    eventually("the first leads", async || {
        (leader.find_metric("leader").await == Some(1)).then_some(())
    })
    .await;
    let other = Serve::start::<&str>(&cluster, &[]).await;
    let by_leader = Sidecar::at(&leader.address, NODE).await;
    let by_other = Sidecar::at(&other.address, NODE).await;
    by_other.has(Some(25.0)).await;
    let mut limited = config(&json!(1.0));
    limited["spec"]["config"]["maxRequestsPerSecond"] = json!(50);
    cluster.apply_all(&[limited]).await;
    // Little is sent: from a careful share it is doubled, the same for all.
    send(&leader, 10).await;
    send(&other, 5).await;
    by_leader.has(Some(1.0)).await;
    by_leader.has(Some(4.0)).await;
    by_other.has(Some(4.0)).await;
    // Whoever leads next goes on from there.
    leader.kill();
    by_other.has(Some(8.0)).await;
    let told = by_other.told();
    let from_first = told.iter().skip_while(|share| **share != Some(1.0));
    let from_first: Vec<_> = from_first.map(|share| share.unwrap()).collect();
    assert_eq!(from_first, [1.0, 2.0, 4.0, 8.0]);
    assert_eq!(other.metric("leader").await, 1);

    // A third one tells the leader what its sidecars send, which is too much.
    let third = Serve::start::<&str>(&cluster, &[]).await;
    let _by_third = Sidecar::at(&third.address, NODE).await;
    send(&third, 1_000).await;
    eventually("the share is lowered", async || {
        let status = &get(&cluster, &CONFIG).await["status"];
        let share = status["rateShare"].as_u64()?;
        (share < 10_000).then_some(())
    })
    .await;
    assert_eq!(third.metric("leader").await, 0);
}
