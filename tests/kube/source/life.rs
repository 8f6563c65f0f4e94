//! What becomes of a cluster in time: kinds come and go, and so does the API server. Meanwhile what was served is served.

use serde_json::json;

use super::mesh::{caller, config, mesh_config, mesh_config_crd, mirror, plugin_crds, workloads};
use super::plane::{Plane, Sidecar};
use crate::rig::{Cluster, Parts, eventually};

/// The guide's mesh with everything, and a control plane that mirrors all of it.
async fn mirroring(cluster: &Cluster) -> (Plane, Sidecar) {
    cluster.apply_crds(&plugin_crds()).await;
    cluster.apply_crds(&mesh_config_crd()).await;
    cluster.apply(&workloads()).await;
    cluster.apply(&mirror(&json!(1.0))).await;
    cluster.apply_all(&[mesh_config(true)]).await;
    let plane = Plane::start(cluster.client().await).await;
    plane.ready().await;
    let sidecar = Sidecar::start(&plane, "curl/curl").await;
    sidecar.has(Some(100.0)).await;
    (plane, sidecar)
}

#[tokio::test]
async fn kinds_that_appear_later_are_read_and_those_that_go_are_gone() {
    let Some(cluster) = Cluster::own(Parts::Api).await else {
        return;
    };
    cluster.apply(&workloads()).await;
    let plane = Plane::start(cluster.client().await).await;
    // No kind of ours is there, which is as if there were no objects; each is told.
    plane.ready().await;
    plane.says("MP015", "warning", 4.0).await;
    let sidecar = Sidecar::start(&plane, "curl/curl").await;
    sidecar.has(None).await;

    cluster.apply_crds(&plugin_crds()).await;
    cluster.apply_crds(&mesh_config_crd()).await;
    cluster.apply(&mirror(&json!(1.0))).await;
    cluster.apply_all(&[mesh_config(true)]).await;
    sidecar.has(Some(100.0)).await;
    plane.says("MP015", "warning", 0.0).await;

    // Made again with another content, it is read again.
    let crd = "pluginconfigs.plugin.flomesh.io";
    cluster.kubectl(&["delete", "crd", crd]).await.ok();
    sidecar.has(None).await;
    plane.says("MP015", "warning", 1.0).await;
    cluster.apply_crds(&plugin_crds()).await;
    cluster.apply_all(&[config(&json!(0.5))]).await;
    sidecar.has(Some(50.0)).await;
    plane.says("MP015", "warning", 0.0).await;
}

#[tokio::test]
async fn an_api_server_that_is_away_changes_nothing_and_is_heard_again_when_it_is_back() {
    let Some(cluster) = Cluster::own(Parts::Api).await else {
        return;
    };
    let (plane, sidecar) = mirroring(&cluster).await;
    let connected =
        "mirrorplane_source_connected{kind=\"PluginConfig\",group=\"plugin.flomesh.io\"}";
    assert_eq!(plane.metric(connected).await, Some(1.0));

    cluster.kill_api_server();
    eventually("the loss is told", async || {
        (plane.metric(connected).await == Some(0.0)).then_some(())
    })
    .await;
    plane.says("MP017", "warning", 1.0).await;
    assert!(plane.is_ready().await);

    cluster.start_api_server().await;
    cluster
        .apply_all(&[config(&json!(0.25)), caller("late")])
        .await;
    sidecar.has(Some(25.0)).await;
    let late = Sidecar::start(&plane, "curl/late").await;
    late.has(Some(25.0)).await;
    plane.says("MP017", "warning", 0.0).await;
    assert_eq!(plane.metric(connected).await, Some(1.0));
    assert_eq!(sidecar.told(), [Some(100.0), Some(25.0)]);
}

#[tokio::test]
async fn nothing_is_missed_when_all_watches_have_expired() {
    let Some(cluster) = Cluster::own(Parts::Api).await else {
        return;
    };
    let (plane, sidecar) = mirroring(&cluster).await;
    // The API server forgets what it knew, and etcd what was before: what was deleted meanwhile is seen by a list alone.
    cluster.kill_api_server();
    cluster.start_api_server().await;
    cluster
        .apply_all(&[config(&json!(0.75)), caller("late")])
        .await;
    let delete = [
        "delete",
        "pod",
        "-n",
        "curl",
        "curl",
        "--grace-period=0",
        "--force",
    ];
    cluster.kubectl(&delete).await.ok();
    cluster.compact_etcd().await;
    cluster.kill_api_server();
    cluster.start_api_server().await;
    // The Pod that is gone belongs to nobody's chain any more.
    sidecar.has(None).await;
    let late = Sidecar::start(&plane, "curl/late").await;
    late.has(Some(75.0)).await;
    plane.says("MP017", "warning", 0.0).await;
}
