//! A budget that is exceeded at the sidecars of one replica stops the mirror at all of them, until it is resumed.

use mirrorplane::proto::envoy::config::endpoint::v3::UpstreamLocalityStats;
use serde_json::json;

use super::reporter::{NODE, Reporter};
use super::stopped::mirrorplane;
use super::{CONFIG, cluster, get, has, message};
use crate::rig::eventually;
use crate::serve::Serve;
use crate::source::mesh::config;
use crate::source::plane::Sidecar;

/// Reports once that so many copies failed, as soon as it is asked to.
async fn report(at: &Serve, failed: u64) -> Reporter {
    let (reporter, interval) = Reporter::asked(at).await;
    assert_eq!(interval, 1);
    // So that there is something to compare with.
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let copies = UpstreamLocalityStats {
        total_error_requests: failed,
        total_issued_requests: failed,
        ..UpstreamLocalityStats::default()
    };
    assert!(reporter.report(copies).await);
    reporter
}

#[tokio::test]
async fn what_one_replica_finds_stops_the_mirror_at_all_until_it_is_resumed() {
    let Some(cluster) = cluster().await else {
        return;
    };
    let leader = Serve::start::<&str>(&cluster, &[]).await;
    eventually("the first leads", async || {
        (leader.find_metric("leader").await == Some(1)).then_some(())
    })
    .await;
    let other = Serve::start::<&str>(&cluster, &[]).await;
    let by_leader = Sidecar::at(&leader.address, NODE).await;
    let by_other = Sidecar::at(&other.address, NODE).await;
    let mut watched = config(&json!(0.25));
    watched["spec"]["config"]["budget"] =
        json!({"maxFailures": 0.1, "window": "10s", "minRequests": 10});
    cluster.apply_all(&[watched.clone()]).await;
    by_leader.has(Some(25.0)).await;
    by_other.has(Some(25.0)).await;

    let reporter = report(&other, 12).await;
    by_other.has(Some(0.0)).await;
    by_leader.has(Some(0.0)).await;
    let blown = has(
        &cluster,
        &CONFIG,
        "Accepted=True:Accepted ResolvedRefs=True:ResolvedRefs Programmed=False:BudgetBlown",
    )
    .await;
    assert_eq!(blown["status"]["share"], "0%");
    let reason = "12 of 12 copies failed within 10s, more than 10%";
    assert_eq!(blown["status"]["budget"]["reason"], reason);
    let said = message(&blown, "Programmed");
    assert!(said.contains("MP706") && said.contains(reason), "{said}");
    // Whoever comes later has it from the status.
    let third = Serve::start::<&str>(&cluster, &[]).await;
    let by_third = Sidecar::at(&third.address, NODE).await;
    by_third.has(Some(0.0)).await;
    assert_eq!(by_third.told(), [Some(0.0)]);

    let (said, code) = mirrorplane(&cluster, &["resume", "curl/traffic-mirror-config"]);
    assert_eq!(code, Some(0), "{said}");
    for sidecar in [&by_leader, &by_other, &by_third] {
        sidecar.has(Some(25.0)).await;
    }
    eventually("nothing is said of it any more", async || {
        let status = &get(&cluster, &CONFIG).await["status"];
        (status.get("budget").is_none() && status["share"] == "25%").then_some(())
    })
    .await;
    drop(reporter);

    // A change of what it says is as good.
    let reporter = report(&leader, 20).await;
    by_third.has(Some(0.0)).await;
    watched["spec"]["config"]["percentage"]["value"] = json!(0.5);
    cluster.apply_all(&[watched]).await;
    by_third.has(Some(50.0)).await;
    by_other.has(Some(50.0)).await;
    drop(reporter);
}
