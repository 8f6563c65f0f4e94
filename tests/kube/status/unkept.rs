//! Definitions that keep no status, as fsm's.

use std::time::Duration;

use serde_json::{Value, json};

use super::{CONFIG, get, with_mesh};
use crate::rig::{Cluster, Parts, eventually};
use crate::serve::Serve;
use crate::source::mesh::plugin_crds;

#[tokio::test]
async fn a_kind_without_a_status_is_told_once_and_left_alone() {
    let Some(cluster) = Cluster::own(Parts::Api).await else {
        return;
    };
    cluster.apply_crds(&plugin_crds()).await;
    with_mesh(&cluster).await;
    let control_plane = Serve::start::<&str>(&cluster, &[]).await;
    let told = || control_plane.log().matches("MP507").count();
    eventually("each of the kinds is told", async || {
        (told() == 3).then_some(())
    })
    .await;
    let version = get(&cluster, &CONFIG).await["metadata"]["resourceVersion"].clone();
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(told(), 3);
    assert_eq!(control_plane.metric("status_writes_total").await, 0);
    assert_eq!(
        get(&cluster, &CONFIG).await["metadata"]["resourceVersion"],
        version
    );
}

#[tokio::test]
async fn definitions_that_prune_conditions_are_told_once_and_left_alone() {
    let Some(cluster) = Cluster::own(Parts::Api).await else {
        return;
    };
    let mut crds: Value = serde_json::from_str(&plugin_crds()).unwrap();
    for crd in crds["items"].as_array_mut().unwrap() {
        crd["spec"]["versions"][0]["subresources"] = json!({ "status": {} });
        crd["spec"]["versions"][0]["schema"] = json!({ "openAPIV3Schema": {
            "type": "object", "properties": {
                "spec": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
                "status": { "type": "object", "properties": {
                    "currentStatus": { "type": "string" }, "reason": { "type": "string" } } } } } });
    }
    cluster.apply_crds(&crds.to_string()).await;
    with_mesh(&cluster).await;
    let control_plane = Serve::start::<&str>(&cluster, &[]).await;
    let told = || control_plane.log().matches("MP507").count();
    eventually("each of the kinds is told", async || {
        (told() == 3).then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(told(), 3);
    assert_eq!(control_plane.metric("status_writes_total").await, 3);
    let kept = get(&cluster, &CONFIG).await;
    assert_eq!(kept["status"]["currentStatus"], "NoSidecars", "{kept}");
}
