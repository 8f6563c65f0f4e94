//! A copy lives as long as the request's time-out lets it; with none, for ever.

use super::naive::{self, Naive};
use super::rig::caller::load;
use super::rig::echo::{Echo, Manner};
use super::rig::eventually;
use super::rig::sidecar::{Kind, Plane, Sidecar};
use super::rig::stage::{Stage, URL};

const REQUESTS: usize = 300;
/// The most copies of a rule under way.
const COPIES: u64 = 64;
/// The cluster of the example's copies.
const SHADOW: &str = "shadow|curl/traffic-mirror-config|pipy/pipy-ok-v2|8080";

/// How many copies have begun, and how many wait for a connection.
async fn in_flight(envoy: &Sidecar, cluster: &str) -> [u64; 2] {
    let stat = |name| envoy.stat_of(cluster, name);
    [
        stat("upstream_rq_active").await,
        stat("upstream_rq_pending_active").await,
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_to_a_shadow_that_never_answers_do_not_pile_up() {
    let live = Echo::start("v1").await;
    let shadow = Echo::with("v2", Manner::Hangs).await;
    let naive = Naive::mirroring(live.address, shadow.address, "0s");
    let Some(envoy) = naive.start().await else {
        return;
    };
    let answered = load(envoy.proxy, naive::URL, REQUESTS, 4, "v1").await;
    assert_eq!(answered.latencies.len(), REQUESTS, "{answered:?}");
    let piled_up = in_flight(&envoy, "shadow").await;
    assert_eq!(piled_up, [REQUESTS as u64, 0], "the control let go of some");

    let plane = Plane {
        kind: Kind::Envoy,
        delta: false,
    };
    let stage = Stage::with_shadow(plane, Manner::Hangs).await.unwrap();
    let answered = load(stage.sidecar.proxy, URL, REQUESTS, 4, "v1").await;
    assert_eq!(answered.latencies.len(), REQUESTS, "{answered:?}");
    // A copy that is one too many is dropped as soon as there is a connection for it.
    eventually("nothing waits", || async {
        let now = in_flight(&stage.sidecar, SHADOW).await;
        assert!(now[0] <= COPIES, "{now:?}");
        (now == [COPIES, 0]).then_some(())
    })
    .await;
    eventually("all copies are given up", || async {
        (in_flight(&stage.sidecar, SHADOW).await == [0; 2]).then_some(())
    })
    .await;
    stage.assert_no_nack();
}
