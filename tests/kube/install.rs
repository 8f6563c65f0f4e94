//! What `deploy/` installs: accepted by a real API server, allowed no more than the program needs, and the same from
//! kustomize and from the Helm chart.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::rig::{Cluster, Parts};

const ACCOUNT: &str = "--as=system:serviceaccount:mirrorplane-system:mirrorplane";

fn deploy(path: &str) -> String {
    format!("{}/deploy/{path}", env!("CARGO_MANIFEST_DIR"))
}

fn objects(manifest: &str) -> BTreeMap<String, Value> {
    let mut objects = BTreeMap::new();
    for document in manifest.split("\n---\n") {
        let object: Value = serde_saphyr::from_str(document).unwrap();
        if object.is_null() {
            continue;
        }
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (kind, metadata) = (word(&object["kind"]), &object["metadata"]);
        let key = format!(
            "{kind} {}/{}",
            word(&metadata["namespace"]),
            word(&metadata["name"])
        );
        assert!(objects.insert(key.clone(), object).is_none(), "{key} twice");
    }
    objects
}

#[tokio::test]
async fn a_cluster_takes_it_as_the_readme_installs_it() {
    let Some(cluster) = Cluster::own(Parts::Controllers).await else {
        return;
    };
    {
        cluster
            .kubectl(&["apply", "-k", &deploy("kubernetes")])
            .await
            .ok();
        for kind in ["plugins", "pluginchains", "pluginconfigs"] {
            let crd = format!("crd/{kind}.plugin.flomesh.io");
            cluster
                .kubectl(&["wait", "--for=condition=Established", &crd, "--timeout=60s"])
                .await
                .ok();
        }
        cluster
            .kubectl(&["apply", "-k", &deploy("mesh-config")])
            .await
            .ok();
    }
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
    let there = ["-n", "mirrorplane-system", "--timeout=60s"];
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
        "patch leases.coordination.k8s.io/mirrorplane-leader -n mirrorplane-system",
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

/// The program `helm`. `tests/run` builds it; in CI its absence is a failure, elsewhere it is said.
pub(crate) fn helm() -> Option<PathBuf> {
    match std::env::var_os("MIRRORPLANE_HELM") {
        Some(path) => Some(path.into()),
        None if std::env::var_os("CI").is_some() => {
            panic!("MIRRORPLANE_HELM is not set: run tests/run")
        }
        None => {
            eprintln!("SKIPPED: set MIRRORPLANE_HELM to a helm binary, or run tests/run");
            None
        }
    }
}

fn template(helm: &PathBuf, values: &[&str]) -> BTreeMap<String, Value> {
    let mut command = Command::new(helm);
    command
        .args(["template", "mirrorplane", &deploy("helm/mirrorplane")])
        .args(["--namespace", "mirrorplane-system", "--include-crds"])
        .args(["--kube-version", "1.33"]);
    for value in values {
        command.args(["--set", value]);
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    objects(&String::from_utf8(output.stdout).unwrap())
}

#[tokio::test]
async fn the_chart_yields_what_kustomize_does() {
    let (Some(helm), Some(cluster)) = (helm(), Cluster::shared().await) else {
        return;
    };
    let mut expected = BTreeMap::new();
    for part in ["kubernetes", "mesh-config"] {
        let built = cluster.kubectl(&["kustomize", &deploy(part)]).await.ok();
        expected.extend(objects(&built));
    }
    // Helm makes the namespace of a release only when it is asked to, and without labels.
    expected.remove("Namespace /mirrorplane-system").unwrap();
    let found = template(&helm, &["meshConfig.create=true"]);
    let keys = |objects: &BTreeMap<String, Value>| objects.keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&found), keys(&expected));
    for (key, object) in &expected {
        assert_eq!(&found[key], object, "{key}");
    }
}

#[tokio::test]
async fn the_values_of_the_chart_do_what_they_say() {
    let Some(helm) = helm() else {
        return;
    };
    let objects = template(
        &helm,
        &[
            "replicas=3",
            "image.repository=registry.test/mirrorplane,image.tag=2",
            "meshName=blue",
            "failurePolicy.injection=Fail",
            "networkPolicy.create=false",
            "serviceMonitor.create=true",
            "env.MIRRORPLANE_CANARY_SIDECARS=5",
        ],
    );
    let deployment = &objects["Deployment mirrorplane-system/mirrorplane"]["spec"];
    assert_eq!(deployment["replicas"], 3);
    let container = &deployment["template"]["spec"]["containers"][0];
    assert_eq!(container["image"], "registry.test/mirrorplane:2");
    let env: BTreeMap<&str, &Value> = container["env"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry["name"].as_str().unwrap(), &entry["value"]))
        .collect();
    assert_eq!(env["MIRRORPLANE_IMAGE"], "registry.test/mirrorplane:2");
    assert_eq!(env["MIRRORPLANE_MESH_NAME"], "blue");
    assert_eq!(env["MIRRORPLANE_CANARY_SIDECARS"], "5");
    for (webhook, prefix) in ["openservicemesh", "flomesh", "mirrorplane"]
        .iter()
        .enumerate()
    {
        let webhook = &objects["MutatingWebhookConfiguration /mirrorplane"]["webhooks"][webhook];
        assert_eq!(webhook["failurePolicy"], "Fail");
        let labels = &webhook["namespaceSelector"]["matchLabels"];
        assert_eq!(
            labels,
            &json!({format!("{prefix}.io/monitored-by"): "blue"})
        );
    }
    let validating = &objects["ValidatingWebhookConfiguration /mirrorplane"]["webhooks"][0];
    assert_eq!(validating["failurePolicy"], "Ignore");
    assert!(objects.contains_key("ServiceMonitor mirrorplane-system/mirrorplane"));
    assert!(!objects.contains_key("NetworkPolicy mirrorplane-system/mirrorplane"));
    assert!(!objects.contains_key("MeshConfig osm-system/osm-mesh-config"));
}
