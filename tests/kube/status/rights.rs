//! The rights of the manifests are enough, and no more is needed.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::{CONFIG, cluster, get, has};
use crate::rig::{Cluster, eventually};
use crate::serve::Serve;

/// A kubeconfig that acts as a service account.
pub(super) fn acting_as(cluster: &Cluster, folder: &Path, account: &str) -> String {
    let text = std::fs::read_to_string(cluster.kubeconfig()).unwrap();
    let mut kubeconfig: Value = serde_saphyr::from_str(&text).unwrap();
    let user = &mut kubeconfig["users"][0]["user"];
    user["as"] = json!(format!(
        "system:serviceaccount:mirrorplane-system:{account}"
    ));
    user["as-groups"] = json!(["system:serviceaccounts", "system:authenticated"]);
    let path = folder.join(account);
    std::fs::write(&path, kubeconfig.to_string()).unwrap();
    path.display().to_string()
}

/// Gives the account of the manifests its rights.
pub(super) async fn grant(cluster: &Cluster) {
    let manifests = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/kubernetes");
    for name in ["account.yaml", "roles.yaml"] {
        let file = manifests.join(name).display().to_string();
        let apply = ["apply", "-n", "mirrorplane-system", "-f", &file];
        cluster.kubectl(&apply).await.ok();
    }
}

#[tokio::test]
async fn the_rights_of_the_manifests_are_enough() {
    let Some(cluster) = cluster().await else {
        return;
    };
    grant(&cluster).await;
    let folder = tempfile::tempdir().unwrap();
    let own = acting_as(&cluster, folder.path(), "mirrorplane");
    let flags = ["--kubeconfig", &own, "--token-review"];
    let mut control_plane = Serve::start(&cluster, &flags).await;
    has(
        &cluster,
        &CONFIG,
        "Accepted=True:Accepted ResolvedRefs=True:ResolvedRefs Programmed=False:NoSidecars",
    )
    .await;
    eventually("it is told as an event", async || {
        let events = cluster.kubectl(&["get", "events", "-n", "curl", "-o", "name"]);
        (!events.await.ok().is_empty()).then_some(())
    })
    .await;
    control_plane.stop().await;
    let log = control_plane.log();
    assert!(
        !log.contains("MP506") && !log.contains("forbidden"),
        "{log}"
    );
}

#[tokio::test]
async fn without_the_right_to_write_it_says_so_once_and_serves_on() {
    let Some(cluster) = cluster().await else {
        return;
    };
    let view = "kubectl create clusterrole reader --verb=get,list,watch --resource='*.*'
        kubectl create clusterrolebinding reader --clusterrole=reader --group=system:serviceaccounts
        kubectl create role leases -n mirrorplane-system --verb='*' --resource=leases.coordination.k8s.io
        kubectl create rolebinding leases -n mirrorplane-system --role=leases --group=system:serviceaccounts";
    cluster.shell(view).await.ok();
    let folder = tempfile::tempdir().unwrap();
    let own = acting_as(&cluster, folder.path(), "reader");
    let control_plane = Serve::start(&cluster, &["--kubeconfig", &own]).await;
    eventually("it says so", async || {
        control_plane.log().contains("MP506").then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let log = control_plane.log();
    assert_eq!(log.matches("MP506").count(), 1, "{log}");
    assert_eq!(get(&cluster, &CONFIG).await.get("status"), None);
    assert_eq!(control_plane.metric("nodes_known").await, 1);
}
