//! Statuses follow the objects and the sidecars, and are left alone while nothing changes.

use std::time::Duration;

use serde_json::json;

use super::{CHAIN, CONFIG, PLUGIN, cluster, get, has, message};
use crate::rig::eventually;
use crate::serve::Serve;
use crate::sidecar::{Answering, ask};
use crate::source::mesh::{config, mesh_config};

const WELL: &str =
    "Accepted=True:Accepted ResolvedRefs=True:ResolvedRefs Programmed=True:Programmed";

#[tokio::test]
async fn a_status_says_what_became_of_the_object() {
    let Some(cluster) = cluster().await else {
        return;
    };
    let control_plane = Serve::start::<&str>(&cluster, &[]).await;
    let alone = has(
        &cluster,
        &CONFIG,
        "Accepted=True:Accepted ResolvedRefs=True:ResolvedRefs Programmed=False:NoSidecars",
    )
    .await;
    assert_eq!(alone["status"]["target"], "pipy/pipy-ok-v2:8080");
    assert_eq!(alone["status"]["share"], "25%");
    has(&cluster, &PLUGIN, "Accepted=True:Accepted").await;
    has(
        &cluster,
        &CHAIN,
        "Accepted=True:Accepted ResolvedRefs=True:ResolvedRefs",
    )
    .await;

    // Sidecars come, accept it, reject it, and go.
    let address = control_plane.address.clone();
    let join = async |accepts: bool| -> Answering {
        let sidecar = ask(&address, "curl/curl", None).await.unwrap();
        sidecar.answering(accepts)
    };
    let first = join(true).await;
    let well = has(&cluster, &CONFIG, WELL).await;
    assert_eq!(message(&well, "Programmed"), "on 1 of 1 sidecars");
    let second = join(true).await;
    eventually("both sidecars count", async || {
        let found = get(&cluster, &CONFIG).await;
        (found["status"]["sidecars"] == "2/2").then_some(())
    })
    .await;
    let chain = eventually("the chain counts them too", async || {
        let found = get(&cluster, &CHAIN).await;
        (found["status"]["selectedSidecars"] == 2).then_some(found)
    })
    .await;
    assert_eq!(chain["status"]["plugins"], "traffic-mirror");

    // While nothing changes nothing is written.
    settled(&control_plane).await;
    let writes = control_plane.metric("status_writes_total").await;
    let version = get(&cluster, &CONFIG).await["metadata"]["resourceVersion"].clone();
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert_eq!(control_plane.metric("status_writes_total").await, writes);
    assert_eq!(
        get(&cluster, &CONFIG).await["metadata"]["resourceVersion"],
        version
    );

    drop(second);
    let refusing = join(false).await;
    let rejected = has(
        &cluster,
        &CONFIG,
        "Accepted=True:Accepted ResolvedRefs=True:ResolvedRefs Programmed=False:Rejected",
    )
    .await;
    let said = message(&rejected, "Programmed");
    assert!(
        said.starts_with("on 1 of 2 sidecars; MP503: `curl/curl` says: "),
        "{said}"
    );
    drop(refusing);
    let well = has(&cluster, &CONFIG, WELL).await;
    let since = |object: &serde_json::Value, at: usize| {
        object["status"]["conditions"][at]["lastTransitionTime"].clone()
    };
    assert_eq!(
        since(&well, 0),
        since(&alone, 0),
        "it was accepted all the time"
    );

    // A share is another generation and the same truth.
    cluster.apply_all(&[config(&json!(0.5))]).await;
    let half = has(&cluster, &CONFIG, WELL).await;
    assert_eq!(half["status"]["share"], "50%");
    assert_eq!(half["status"]["conditions"][0]["observedGeneration"], 2);

    // A target that is not there: what was last valid is no help, nothing is mirrored.
    let mut astray = config(&json!(0.5));
    astray["spec"]["config"]["service"] = json!("pipy-ok-v3");
    cluster.apply_all(&[astray]).await;
    let missing = has(
        &cluster,
        &CONFIG,
        "Accepted=True:Accepted ResolvedRefs=False:TargetMissing Programmed=False:TargetMissing",
    )
    .await;
    let said = message(&missing, "ResolvedRefs");
    assert!(
        said.starts_with("MP321: ") && said.contains("pipy/pipy-ok-v3"),
        "{said}"
    );
    assert_eq!(missing["status"]["currentStatus"], "TargetMissing");
    assert!(missing["status"].get("target").is_none(), "{missing}");
    let events = cluster
        .kubectl(&[
            "get",
            "events",
            "-n",
            "curl",
            "-o",
            "name",
            "--field-selector",
            "reason=TargetMissing",
        ])
        .await
        .ok();
    assert!(!events.is_empty(), "it is told as an event");

    // Everything is switched off.
    cluster
        .apply_all(&[config(&json!(0.5)), mesh_config(false)])
        .await;
    let off = has(
        &cluster,
        &CONFIG,
        "Accepted=True:Accepted ResolvedRefs=True:ResolvedRefs Programmed=False:PluginPolicyOff",
    )
    .await;
    assert!(message(&off, "Programmed").starts_with("MP102: "));
    drop(first);
}

/// Waits until nothing was written for a while.
async fn settled(control_plane: &Serve) {
    let mut before = control_plane.metric("status_writes_total").await;
    eventually("no more is written", async || {
        tokio::time::sleep(Duration::from_secs(3)).await;
        let now = control_plane.metric("status_writes_total").await;
        let quiet = now == before;
        before = now;
        quiet.then_some(())
    })
    .await;
}
