//! The objects of a cluster.

use serde_json::json;

use super::mesh::{caller, config, mesh_config, mesh_config_crd, mirror, plugin_crds, workloads};
use super::plane::{Plane, Sidecar};
use crate::rig::{Cluster, Parts};

#[tokio::test]
async fn objects_are_served_as_they_change_and_a_bad_one_keeps_its_last_valid_version() {
    let Some(cluster) = Cluster::own(Parts::Api).await else {
        return;
    };
    cluster.apply_crds(&plugin_crds()).await;
    cluster.apply_crds(&mesh_config_crd()).await;
    cluster.apply(&workloads()).await;
    cluster.apply(&mirror(&json!(1.0))).await;
    cluster.apply_all(&[mesh_config(true)]).await;

    let plane = Plane::start(cluster.client().await).await;
    plane.ready().await;
    let sidecar = Sidecar::start(&plane, "curl/curl").await;
    sidecar.has(Some(100.0)).await;

    cluster.apply_all(&[config(&json!(0.25))]).await;
    sidecar.has(Some(25.0)).await;

    // A field of the wrong type: the object is rejected, and stays as it was.
    let mut bad = config(&json!(0.5));
    bad["spec"]["plugin"] = json!(["traffic-mirror"]);
    cluster.apply_all(&[bad.clone()]).await;
    plane.says("MP004", "error", 1.0).await;
    // Other objects still change.
    cluster.apply_all(&[caller("second")]).await;
    let second = Sidecar::start(&plane, "curl/second").await;
    second.has(Some(25.0)).await;

    // What was valid belongs to the object that was there: another one of its name has no such past.
    let name = ["pluginconfig", "-n", "curl", "traffic-mirror-config"];
    cluster
        .kubectl(&[&["delete"], &name[..]].concat())
        .await
        .ok();
    cluster.apply_all(&[bad]).await;
    sidecar.has(None).await;

    cluster.apply_all(&[config(&json!(0.5))]).await;
    sidecar.has(Some(50.0)).await;
    plane.says("MP004", "error", 0.0).await;
    assert_eq!(sidecar.told(), [Some(100.0), Some(25.0), None, Some(50.0)]);
}
