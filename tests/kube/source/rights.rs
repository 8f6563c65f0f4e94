//! Commands with an account that may not do everything.

use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::sleep;

use super::mesh::{config, mesh_config, mesh_config_crd, mirror, plugin_crds, workloads};
use super::plane::{Plane, Sidecar};
use crate::rig::{Cluster, Parts};

/// A refusal is told after five seconds.
const LONGER_THAN_A_REFUSAL: Duration = Duration::from_secs(8);

/// A kubeconfig of the account `reader`, which has no rights but those that a test gives it.
fn reader(cluster: &Cluster) -> PathBuf {
    let text = std::fs::read_to_string(cluster.kubeconfig()).unwrap();
    let mut kubeconfig: Value = serde_json::from_str(&text).unwrap();
    kubeconfig["users"][0]["user"]["as"] = json!("reader");
    let path = cluster.folder().join("reader");
    std::fs::write(&path, kubeconfig.to_string()).unwrap();
    path
}

/// Allows the reader to read kinds in all namespaces.
async fn allow(cluster: &Cluster, role: &str, resources: &str) {
    let resource = format!("--resource={resources}");
    cluster
        .kubectl(&[
            "create",
            "clusterrole",
            role,
            "--verb=get,list,watch",
            &resource,
        ])
        .await
        .ok();
    let clusterrole = format!("--clusterrole={role}");
    cluster
        .kubectl(&[
            "create",
            "clusterrolebinding",
            role,
            &clusterrole,
            "--user=reader",
        ])
        .await
        .ok();
}

async fn mirrorplane(cluster: &Cluster, command: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mirrorplane"))
        .args(command)
        .arg("--kubeconfig")
        .arg(reader(cluster))
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap()
}

#[tokio::test]
async fn what_may_not_be_read_is_told_and_read_once_it_may() {
    let Some(cluster) = Cluster::own(Parts::Api).await else {
        return;
    };
    cluster.apply_crds(&plugin_crds()).await;
    cluster.apply_crds(&mesh_config_crd()).await;
    cluster.apply(&workloads()).await;
    cluster.apply(&mirror(&json!(1.0))).await;
    cluster.apply_all(&[mesh_config(true)]).await;
    let most = "namespaces,pods,services,endpointslices.discovery.k8s.io,plugins.plugin.flomesh.io,\
                pluginchains.plugin.flomesh.io,meshconfigs.config.openservicemesh.io";
    allow(&cluster, "most", most).await;

    let checked = mirrorplane(&cluster, &["check", "--output", "json"]).await;
    assert_eq!(checked.status.code(), Some(1), "{checked:?}");
    let report: Value = serde_json::from_slice(&checked.stdout).unwrap();
    let found = report["diagnostics"].as_array().unwrap().iter();
    let refused = found.filter(|one| one["code"] == "MP016").count();
    assert_eq!(refused, 1, "{report}");

    let access = mirrorplane::source::kubernetes::Access {
        kubeconfig: Some(reader(&cluster)),
        context: None,
    };
    let client = mirrorplane::source::kubernetes::connect(&access)
        .await
        .unwrap();
    let plane = Plane::start(client).await;
    // Of the others everything is known. If it were ready now, it would take the copies from sidecars of other replicas.
    for (kind, group, connected) in [
        ("EndpointSlice", "discovery.k8s.io", 1.0),
        ("MeshConfig", "config.openservicemesh.io", 1.0),
        ("PluginConfig", "plugin.flomesh.io", 0.0),
    ] {
        plane.connected(kind, group, connected).await;
    }
    sleep(LONGER_THAN_A_REFUSAL).await;
    assert!(!plane.is_ready().await);
    let sidecar = Sidecar::start(&plane, "curl/curl").await;

    allow(&cluster, "configs", "pluginconfigs.plugin.flomesh.io").await;
    plane.ready().await;
    sidecar.has(Some(100.0)).await;
    plane.says("MP016", "error", 0.0).await;

    // Taken away again: what was read stays.
    cluster
        .kubectl(&["delete", "clusterrolebinding", "configs"])
        .await
        .ok();
    cluster.apply_all(&[config(&json!(0.5))]).await;
    assert!(plane.is_ready().await);
    allow(&cluster, "configs-again", "pluginconfigs.plugin.flomesh.io").await;
    sidecar.has(Some(50.0)).await;
    assert_eq!(sidecar.told(), [Some(100.0), Some(50.0)]);

    let checked = mirrorplane(&cluster, &["check"]).await;
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");
    let node = ["translate", "--node", "curl/curl", "--output", "json"];
    let translated = mirrorplane(&cluster, &node).await;
    assert!(translated.status.success(), "{translated:?}");
    let told: Value = serde_json::from_slice(&translated.stdout).unwrap();
    assert_eq!(
        told["runtime"][0]["layer"]["mirror.curl.traffic-mirror-config"],
        json!(50.0)
    );
}
