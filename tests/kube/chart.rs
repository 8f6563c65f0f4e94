//! The Helm chart: the same as from kustomize, and its values.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::install::deploy;
use crate::rig::Cluster;

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

/// The objects of the chart, or why there are none.
fn template(helm: &Path, values: &[&str]) -> Result<BTreeMap<String, Value>, String> {
    let mut command = Command::new(helm);
    command
        .args(["template", "mirrorplane", &deploy("helm/mirrorplane")])
        .args(["--namespace", "mirrorplane-system", "--include-crds"])
        .args(["--kube-version", "1.33"]);
    for value in values {
        command.args(["--set", value]);
    }
    let output = command.output().unwrap();
    if !output.status.success() {
        return Err(String::from_utf8(output.stderr).unwrap());
    }
    Ok(objects(&String::from_utf8(output.stdout).unwrap()))
}

/// A kustomization of one's own with everything that there is, as an operator writes it.
fn everything() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().canonicalize().unwrap();
    // Kustomize takes no absolute paths.
    let root = "../".repeat(path.components().count() - 1);
    let from_root = |part| format!("{root}{}", deploy(part).trim_start_matches('/'));
    let kustomization = json!({
        "resources": [from_root("kubernetes"), from_root("mesh-config")],
        "components": [from_root("service-monitor")],
    });
    let file = folder.path().join("kustomization.yaml");
    fs::write(file, kustomization.to_string()).unwrap();
    folder
}

#[tokio::test]
async fn the_chart_yields_what_kustomize_does() {
    let (Some(helm), Some(cluster)) = (helm(), Cluster::shared().await) else {
        return;
    };
    let everything = everything();
    let folder = everything.path().to_str().unwrap();
    let mut expected = objects(&cluster.kubectl(&["kustomize", folder]).await.ok());
    // Helm makes the namespace of a release only when it is asked to, and without labels.
    expected.remove("Namespace /mirrorplane-system").unwrap();
    let found = template(
        &helm,
        &["meshConfig.create=true", "serviceMonitor.create=true"],
    )
    .unwrap();
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
    )
    .unwrap();
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
    let refused = template(&helm, &["replica=3"]).unwrap_err();
    assert!(refused.contains("replica"), "{refused}");
    let refused = template(&helm, &["failurePolicy.injection=Maybe"]).unwrap_err();
    assert!(refused.contains("/failurePolicy/injection"), "{refused}");
}
