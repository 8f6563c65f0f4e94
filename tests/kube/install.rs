//! What `kubectl apply -k deploy/…` installs: accepted by a real API server, and allowed no more than the program needs.

use std::fs;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

use crate::rig::{Cluster, Parts};

const ACCOUNT: &str = "--as=system:serviceaccount:mirrorplane-system:mirrorplane";

/// A path below `deploy/`.
pub(crate) fn deploy(path: &str) -> String {
    format!("{}/deploy/{path}", env!("CARGO_MANIFEST_DIR"))
}

#[tokio::test]
async fn a_cluster_takes_it_as_the_readme_installs_it() {
    let Some(cluster) = Cluster::own(Parts::Controllers).await else {
        return;
    };
    cluster
        .kubectl(&["apply", "-k", &deploy("kubernetes")])
        .await
        .ok();
    for kind in ["plugins", "pluginchains", "pluginconfigs"] {
        let crd = format!("crd/{kind}.plugin.flomesh.io");
        cluster
            .kubectl(&["wait", "--for=condition=Established", &crd, "--timeout=50s"])
            .await
            .ok();
    }
    cluster
        .kubectl(&["apply", "-k", &deploy("mesh-config")])
        .await
        .ok();
    let generations = async || {
        let each =
            "jsonpath={range .items[*]}{.kind} {.metadata.name} {.metadata.generation},{end}";
        let manifests = deploy("kubernetes");
        cluster
            .kubectl(&["get", "-k", &manifests, "-o", each])
            .await
            .ok()
    };
    let before = generations().await;
    cluster
        .kubectl(&["apply", "-k", &deploy("kubernetes")])
        .await
        .ok();
    assert_eq!(
        generations().await,
        before,
        "applied again it changes something"
    );
    // Its Pods pass the namespace's own rules: the controllers make them.
    let wait = [
        "wait",
        "--for=jsonpath={.status.replicas}=2",
        "deployment/mirrorplane",
    ];
    let there = ["-n", "mirrorplane-system", "--timeout=50s"];
    cluster.kubectl(&[&wait[..], &there].concat()).await.ok();

    // An upgrade leaves alone what the control plane has put in.
    let ca = BASE64_STANDARD.encode(fs::read(cluster.folder().join("ca.crt")).unwrap());
    let add = json!([{"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": ca}]);
    let webhooks = "validatingwebhookconfiguration/mirrorplane";
    cluster
        .kubectl(&[
            "patch",
            webhooks,
            "--type=json",
            "-p",
            &add.to_string(),
            ACCOUNT,
        ])
        .await
        .ok();
    cluster
        .kubectl(&["apply", "-k", &deploy("kubernetes")])
        .await
        .ok();
    let kept = [
        "get",
        webhooks,
        "-o",
        "jsonpath={.webhooks[0].clientConfig.caBundle}",
    ];
    assert_eq!(cluster.kubectl(&kept).await.ok(), ca);

    is_least_privilege(&cluster).await;
    // The same with a real token.
    let account = cluster
        .kubeconfig_of("mirrorplane-system", "mirrorplane")
        .await;
    let account = format!("--kubeconfig={}", account.display());
    cluster.kubectl(&[&account, "get", "pods", "-A"]).await.ok();
    let refused = cluster
        .kubectl(&[&account, "get", "secrets", "-A"])
        .await
        .refused();
    assert!(refused.contains("forbidden"), "{refused}");
}

async fn may(cluster: &Cluster, question: &str) -> bool {
    let words: Vec<&str> = question.split(' ').collect();
    let said = cluster
        .kubectl(&[&["auth", "can-i"], &words[..], &[ACCOUNT]].concat())
        .await;
    match said.stdout().trim() {
        "yes" => true,
        "no" => false,
        other => panic!("{question}: {other} {}", said.stderr()),
    }
}

async fn is_least_privilege(cluster: &Cluster) {
    let mut allowed = Vec::new();
    for read in [
        "namespaces",
        "pods",
        "services",
        "endpointslices.discovery.k8s.io",
        "plugins.plugin.flomesh.io",
        "pluginchains.plugin.flomesh.io",
        "pluginconfigs.plugin.flomesh.io",
        "meshconfigs.config.openservicemesh.io",
    ] {
        allowed.extend(["list", "watch"].map(|verb| format!("{verb} {read} -A")));
    }
    for status in ["plugins", "pluginchains", "pluginconfigs"] {
        allowed.push(format!(
            "patch {status}.plugin.flomesh.io --subresource=status -A"
        ));
    }
    for call in [
        "create events.events.k8s.io -n curl",
        "patch events.events.k8s.io -n curl",
        "create tokenreviews.authentication.k8s.io",
        "get mutatingwebhookconfigurations/mirrorplane",
        "patch mutatingwebhookconfigurations/mirrorplane",
        "patch validatingwebhookconfigurations/mirrorplane",
        "create secrets -n mirrorplane-system",
        "get secrets/mirrorplane-certificates -n mirrorplane-system",
        "update secrets/mirrorplane-certificates -n mirrorplane-system",
        "create leases.coordination.k8s.io -n mirrorplane-system",
        "get leases.coordination.k8s.io/mirrorplane-leader -n mirrorplane-system",
        "update leases.coordination.k8s.io/mirrorplane-leader -n mirrorplane-system",
        "get namespaces",
        "create configmaps -n mirrorplane-system",
        "list configmaps -n mirrorplane-system",
        "patch configmaps -n mirrorplane-system",
        "delete configmaps -n mirrorplane-system",
    ] {
        allowed.push(call.to_owned());
    }
    for question in &allowed {
        assert!(may(cluster, question).await, "may not {question}");
    }
    for question in [
        "get secrets -A",
        "list secrets -n mirrorplane-system",
        "get secrets/other -n mirrorplane-system",
        "update secrets/other -n mirrorplane-system",
        "delete secrets/mirrorplane-certificates -n mirrorplane-system",
        "create secrets -n curl",
        "get configmaps -A",
        "list configmaps -n kube-system",
        "create configmaps -n curl",
        "patch configmaps -n osm-system",
        "delete configmaps -n kube-public",
        "deletecollection configmaps -n mirrorplane-system",
        "get pods -A",
        "create pods -A",
        "patch pods -A",
        "delete pods -A",
        "create pods --subresource=exec -A",
        "create serviceaccounts --subresource=token -A",
        "update namespaces",
        "patch services -A",
        "patch pluginconfigs.plugin.flomesh.io -A",
        "create pluginconfigs.plugin.flomesh.io -A",
        "patch meshconfigs.config.openservicemesh.io -A",
        "patch validatingwebhookconfigurations/other",
        "create mutatingwebhookconfigurations",
        "delete validatingwebhookconfigurations/mirrorplane",
        "patch customresourcedefinitions",
        "patch leases.coordination.k8s.io/other -n mirrorplane-system",
        "patch leases.coordination.k8s.io -n kube-system",
        "create clusterrolebindings",
        "impersonate users",
        "list nodes",
    ] {
        assert!(!may(cluster, question).await, "may {question}");
    }
}
