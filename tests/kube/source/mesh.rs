//! The guide's mesh, as a user applies it: `curl/curl` calls `pipy/pipy-ok-v1`, which is mirrored to `pipy-ok-v2`.

use serde_json::{Value, json};

use crate::rig::Cluster;

/// The share of the guide's mirror on the wire, as a key of the runtime layer.
pub(crate) const SHARE: &str = "mirror.curl.traffic-mirror-config";

/// A CRD that takes anything: what a schema would refuse has to be told by us.
fn crd(group: &str, kind: &str, scope: &str, versions: &[&str]) -> Value {
    let plural = format!("{}s", kind.to_lowercase());
    let versions: Vec<_> = versions
        .iter()
        .enumerate()
        .map(|(index, version)| {
            json!({
                "name": version, "served": true, "storage": index == 0,
                "schema": {"openAPIV3Schema": {
                    "type": "object", "x-kubernetes-preserve-unknown-fields": true,
                }},
            })
        })
        .collect();
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {
            "group": group, "scope": scope, "versions": versions,
            "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase()},
        },
    })
}

/// The plugin kinds.
pub(crate) fn plugin_crds() -> String {
    let group = "plugin.flomesh.io";
    manifest(&[
        crd(group, "Plugin", "Cluster", &["v1alpha1"]),
        crd(group, "PluginChain", "Namespaced", &["v1alpha1"]),
        crd(group, "PluginConfig", "Namespaced", &["v1alpha1"]),
    ])
}

/// MeshConfig, in both of osm-edge's versions.
pub(crate) fn mesh_config_crd() -> String {
    let group = "config.openservicemesh.io";
    manifest(&[crd(
        group,
        "MeshConfig",
        "Namespaced",
        &["v1alpha2", "v1alpha1"],
    )])
}

/// Several objects as one manifest.
pub(crate) fn manifest(objects: &[Value]) -> String {
    json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string()
}

fn service(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name, "namespace": "pipy"},
        "spec": {"ports": [{"name": "pipy", "port": 8080}]},
    })
}

fn slice(name: &str, address: &str) -> Value {
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {
            "name": name, "namespace": "pipy", "labels": {"kubernetes.io/service-name": name},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": [address]}],
        "ports": [{"name": "pipy", "port": 8080}],
    })
}

/// Namespaces, Services, their endpoints, and the caller.
pub(crate) fn workloads() -> String {
    let namespace = |name: &str| {
        json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": name, "labels": {"openservicemesh.io/monitored-by": "osm"}},
        })
    };
    manifest(&[
        namespace("curl"),
        namespace("pipy"),
        namespace("osm-system"),
        service("pipy-ok-v1"),
        service("pipy-ok-v2"),
        slice("pipy-ok-v1", "10.1.0.1"),
        slice("pipy-ok-v2", "10.1.0.2"),
        caller("curl"),
    ])
}

/// A caller in the namespace `curl`.
pub(crate) fn caller(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "curl", "labels": {"app": "curl"}},
        "spec": {"containers": [{"name": "curl", "image": "curl"}]},
    })
}

pub(crate) fn mesh_config(on: bool) -> Value {
    json!({
        "apiVersion": "config.openservicemesh.io/v1alpha2", "kind": "MeshConfig",
        "metadata": {"name": "osm-mesh-config", "namespace": "osm-system"},
        "spec": {"featureFlags": {"enablePluginPolicy": on}},
    })
}

/// The guide's mirror with a share.
pub(crate) fn mirror(share: &Value) -> String {
    manifest(&[
        json!({
            "apiVersion": "plugin.flomesh.io/v1alpha1", "kind": "Plugin",
            "metadata": {"name": "traffic-mirror"},
            "spec": {"priority": 115, "pipyscript": "placeholder"},
        }),
        json!({
            "apiVersion": "plugin.flomesh.io/v1alpha1", "kind": "PluginChain",
            "metadata": {"name": "traffic-mirror-chain", "namespace": "pipy"},
            "spec": {
                "chains": [{"name": "outbound-http", "plugins": ["traffic-mirror"]}],
                "selectors": {
                    "podSelector": {"matchLabels": {"app": "curl"}},
                    "namespaceSelector": {"matchExpressions": [{
                        "key": "openservicemesh.io/monitored-by", "operator": "In", "values": ["osm"],
                    }]},
                },
            },
        }),
        config(share),
    ])
}

/// The configuration of the guide's mirror.
pub(crate) fn config(share: &Value) -> Value {
    json!({
        "apiVersion": "plugin.flomesh.io/v1alpha1", "kind": "PluginConfig",
        "metadata": {"name": "traffic-mirror-config", "namespace": "curl"},
        "spec": {
            "plugin": "traffic-mirror",
            "destinationRefs": [{"kind": "Service", "name": "pipy-ok-v1", "namespace": "pipy"}],
            "config": {
                "namespace": "pipy", "service": "pipy-ok-v2", "port": 8080,
                "percentage": {"value": share},
            },
        },
    })
}

impl Cluster {
    /// Adds CRDs; returns when the server has them.
    pub(crate) async fn apply_crds(&self, crds: &str) {
        self.apply(crds).await;
        self.kubectl(&["wait", "--for=condition=established", "crd", "--all"])
            .await
            .ok();
    }

    /// Applies objects one after the other, as they are.
    pub(crate) async fn apply_all(&self, objects: &[Value]) {
        self.apply(&manifest(objects)).await;
    }
}
