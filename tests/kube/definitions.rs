//! The definitions of our kinds in a real API server: what it accepts, and what it refuses.

use std::fs;
use std::path::Path;

use mirrorplane::crd::definitions;
use serde_json::{Value, json};

use crate::rig::{Cluster, Parts, eventually};

fn plugin_object(kind: &str, spec: Value) -> String {
    let mut object = json!({
        "apiVersion": "plugin.flomesh.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": "any"},
        "spec": spec,
    });
    if kind != "Plugin" {
        object["metadata"]["namespace"] = json!("default");
    }
    object.to_string()
}

const DRY: [&str; 4] = ["create", "--dry-run=server", "-f", "-"];

#[tokio::test]
async fn every_object_that_osm_edge_or_fsm_accepts_is_accepted() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let service = json!({"kind": "Service", "name": "v1", "namespace": "pipy"});
    let config = json!({"namespace": "pipy", "service": "v2", "port": 8080});
    let accepted = [
        // No kind needs a spec.
        ("Plugin", Value::Null),
        ("PluginChain", Value::Null),
        ("PluginConfig", Value::Null),
        ("Plugin", json!({"priority": -1.5, "pipyscript": "()"})),
        (
            "Plugin",
            json!({"pipyscript": "", "matches": [{"apiGroup": "", "kind": "K", "name": "n"}]}),
        ),
        // fsm drops what it does not know.
        ("Plugin", json!({"pipyscript": "()", "matches": "any"})),
        ("PluginChain", json!({"chains": [], "selectors": {}})),
        (
            "PluginChain",
            json!({"chains": [{"name": "ingress-http", "plugins": []}], "selectors": {}}),
        ),
        (
            "PluginChain",
            json!({"chains": [], "selectors": {"podSelector": {"matchExpressions": [
                {"key": "app", "operator": "Exists"},
                {"key": "app", "operator": "DoesNotExist", "values": []},
                {"key": "app", "operator": "NotIn", "values": ["a", "b"]},
            ]}}}),
        ),
        (
            "PluginConfig",
            json!({"plugin": "p", "destinationRefs": [], "config": {}}),
        ),
        (
            "PluginConfig",
            json!({"plugin": "p", "destinationRefs": [service], "config": config, "matches": []}),
        ),
        (
            "PluginConfig",
            json!({"plugin": "p", "config": {}, "destinationRefs": [
                {"kind": "Deployment", "uid": "u", "fieldPath": "f", "resourceVersion": "1", "apiVersion": "v1"},
                {"kind": "Service"},
            ]}),
        ),
        // Another plugin's keys are its own affair, whatever they are called.
        (
            "PluginConfig",
            json!({"plugin": "p", "destinationRefs": [service], "config": {
                "namespace": ["a"], "service": {}, "port": [{"number": 1}], "percentage": 50, "origins": "*",
            }}),
        ),
    ];
    for (kind, mut spec) in accepted {
        let mut object: Value = serde_json::from_str(&plugin_object(kind, spec.take())).unwrap();
        if object["spec"].is_null() {
            object.as_object_mut().unwrap().remove("spec");
        }
        cluster.kubectl_with(&DRY, &object.to_string()).await.ok();
    }
    for version in ["v1alpha1", "v1alpha2"] {
        let mesh = json!({
            "apiVersion": format!("config.openservicemesh.io/{version}"),
            "kind": "MeshConfig",
            "metadata": {"name": "any", "namespace": "default"},
            "spec": {
                "sidecar": {"sidecarClass": "pipy", "logLevel": "error"},
                "traffic": {"enableEgress": true},
                "featureFlags": {"enablePluginPolicy": true, "enableRetryPolicy": false},
                "pluginChains": {"outbound-http": [{"plugin": "modules/outbound-http-routing", "priority": 160}]},
            },
        });
        let created = [&DRY[..], &["-o", "json"]].concat();
        let said = cluster.kubectl_with(&created, &mesh.to_string()).await;
        let warned = said.stderr().contains("is deprecated; use");
        assert_eq!(warned, version == "v1alpha1", "{}", said.stderr());
        let kept: Value = serde_json::from_str(&said.ok()).unwrap();
        assert_eq!(kept["spec"], mesh["spec"], "a setting is lost");
        // The schema refuses it before a webhook would be asked.
        let mut misspelt = mesh;
        misspelt["spec"]["featureFlags"]["enablePluginPolicy"] = json!("yes");
        let refused = cluster.kubectl_with(&DRY, &misspelt.to_string()).await;
        let refused = refused.refused();
        assert!(refused.contains("must be of type boolean"), "{refused}");
    }
}

#[tokio::test]
async fn objects_that_can_never_work_are_refused_with_the_reason() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let selecting = |requirement: Value| json!({"chains": [], "selectors": {"namespaceSelector": {"matchExpressions": [requirement]}}});
    let cases = [
        (
            "PluginChain",
            selecting(json!({"key": "app", "operator": "in", "values": ["a"]})),
            "spec.selectors.namespaceSelector.matchExpressions[0].operator: Unsupported value: \"in\"",
        ),
        (
            "PluginChain",
            selecting(json!({"key": "app", "operator": "In", "values": []})),
            "matchExpressions[0].values: Invalid value: In and NotIn need at least one value",
        ),
        (
            "PluginChain",
            selecting(json!({"key": "app", "operator": "NotIn"})),
            "In and NotIn need at least one value: without it the chain selects nothing",
        ),
        (
            "PluginChain",
            selecting(json!({"key": "app", "operator": "Exists", "values": ["a"]})),
            "Exists and DoesNotExist take no values: with one the chain selects nothing",
        ),
        (
            "PluginConfig",
            json!({"plugin": "", "destinationRefs": [], "config": {}}),
            "spec.plugin: Invalid value",
        ),
        (
            "PluginConfig",
            json!({"plugin": "p", "destinationRefs": [{"kind": "Deployment"}, {"name": "n"}], "config": {}}),
            "spec.destinationRefs: Invalid value: no destination is of kind Service",
        ),
        (
            "PluginConfig",
            json!({"plugin": "p", "destinationRefs": [], "config": "text"}),
            "spec.config",
        ),
        (
            "PluginConfig",
            json!({"config": {}}),
            "spec.plugin: Required value",
        ),
        ("Plugin", json!({"priority": "high"}), "spec.priority"),
    ];
    for (kind, spec, reason) in cases {
        let object = plugin_object(kind, spec);
        // Without the client's own opinion.
        let arguments = [&DRY[..], &["--validate=false"]].concat();
        let refused = cluster.kubectl_with(&arguments, &object).await.refused();
        // As the API server quotes what it refuses.
        let refused = refused.replace('\n', " ");
        assert!(refused.contains(reason), "{object}\n{refused}\n{reason}");
    }
}

#[tokio::test]
async fn whatever_the_golden_cases_say_an_api_server_takes() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let cases = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")).unwrap();
    let mut objects = String::new();
    for case in cases {
        let input = case.unwrap().path().join("input.yaml");
        let Ok(text) = fs::read_to_string(&input) else {
            continue;
        };
        for document in text.split("\n---") {
            let object: Value = serde_saphyr::from_str(document).unwrap();
            // Of fsm's group; it is fsm that defines it.
            let is_ours = ["plugin.flomesh.io", "config.openservicemesh.io"]
                .iter()
                .any(|group| {
                    object["apiVersion"]
                        .as_str()
                        .is_some_and(|is| is.starts_with(group))
                });
            if is_ours {
                let mut object = object;
                if object["metadata"]["namespace"].is_string() {
                    object["metadata"]["namespace"] = json!("default");
                }
                objects.push_str(&format!("---\n{object}\n"));
            }
        }
    }
    let created = cluster.kubectl_with(&DRY, &objects).await.ok();
    assert!(created.lines().count() > 50, "{created}");
}

/// The definition without what it demands beyond types, as fsm's is.
fn permissive(definition: &Value) -> Value {
    match definition {
        Value::Object(keys) => keys
            .iter()
            .filter(|(key, _)| !["enum", "x-kubernetes-validations"].contains(&key.as_str()))
            .map(|(key, value)| (key.clone(), permissive(value)))
            .collect(),
        Value::Array(items) => items.iter().map(permissive).collect(),
        other => other.clone(),
    }
}

#[tokio::test]
async fn an_object_from_before_stays_usable_however_wrong_it_is() {
    let Some(cluster) = Cluster::own(Parts::Api).await else {
        return;
    };
    let chains = definitions()
        .into_iter()
        .find(|definition| definition.plural == "pluginchains")
        .unwrap();
    let apply = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
    let before = permissive(&chains.object).to_string();
    cluster.kubectl_with(&apply, &before).await.ok();
    let established = ["wait", "--for=condition=Established", "--timeout=50s"];
    let name = "crd/pluginchains.plugin.flomesh.io";
    cluster
        .kubectl(&[&established[..], &[name]].concat())
        .await
        .ok();
    let requirement = json!({"key": "app", "operator": "Like", "values": ["a"]});
    let selectors = json!({"podSelector": {"matchExpressions": [requirement]}});
    let chain = plugin_object("PluginChain", json!({"chains": [], "selectors": selectors}));
    let created = async || {
        let said = cluster.kubectl_with(&["create", "-f", "-"], &chain).await;
        said.succeeded().then_some(())
    };
    eventually("the kind is served", created).await;

    cluster.define_kinds().await;
    let refused = async || {
        let another = chain.replace("any", "another");
        let said = cluster.kubectl_with(&DRY, &another).await;
        said.stderr().contains("Unsupported value").then_some(())
    };
    eventually("a new one like it is refused", refused).await;
    cluster
        .kubectl(&["label", "pichn", "any", "-n", "default", "team=blue"])
        .await
        .ok();
    cluster.apply(&chain).await;
}
