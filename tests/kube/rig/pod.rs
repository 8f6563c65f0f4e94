//! Nodes and Pods without a kubelet: a test says what a kubelet would.

use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::{Cluster, eventually};

impl Cluster {
    /// A Node in a zone; one that is there already is left as it is.
    pub(crate) async fn node(&self, name: &str, zone: &str) {
        let node = json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": {"topology.kubernetes.io/zone": zone}},
        });
        let nodes: Api<Node> = Api::all(self.client().await);
        let params = PatchParams::apply("test").force();
        nodes
            .patch(name, &params, &Patch::Apply(node))
            .await
            .unwrap();
    }
}

/// A Pod that is about to be made.
#[derive(Clone, Debug)]
pub(crate) struct TestPod {
    namespace: String,
    name: String,
    pod: Value,
}

impl TestPod {
    /// A Pod with one container, which listens on port 8080 as far as anybody can tell.
    pub(crate) fn new(namespace: &str, name: &str) -> Self {
        let pod = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"namespace": namespace, "name": name, "labels": {}, "annotations": {}},
            "spec": {
                "containers": [{
                    "name": "app",
                    "image": "app",
                    "ports": [{"name": "http", "containerPort": 8080}],
                }],
            },
        });
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            pod,
        }
    }

    pub(crate) fn label(mut self, key: &str, value: &str) -> Self {
        self.pod["metadata"]["labels"][key] = json!(value);
        self
    }

    pub(crate) fn annotation(mut self, key: &str, value: &str) -> Self {
        self.pod["metadata"]["annotations"][key] = json!(value);
        self
    }

    pub(crate) fn service_account(mut self, name: &str) -> Self {
        self.pod["spec"]["serviceAccountName"] = json!(name);
        self
    }

    /// Replaces its containers.
    pub(crate) fn containers(mut self, containers: Value) -> Self {
        self.pod["spec"]["containers"] = containers;
        self
    }

    /// The object itself, for what this builder has no word for.
    pub(crate) fn spec(&mut self) -> &mut Value {
        &mut self.pod["spec"]
    }

    /// Creates it: accepted, scheduled nowhere.
    pub(crate) async fn create(self, cluster: &Cluster) -> Pod {
        let pods: Api<Pod> = Api::namespaced(cluster.client().await, &self.namespace);
        let pod = serde_json::from_value(self.pod).unwrap();
        pods.create(&PostParams::default(), &pod).await.unwrap()
    }

    /// Creates it on the Node `node`, running and ready at this address. The Node is made if there is none.
    pub(crate) async fn run(mut self, cluster: &Cluster, node: &str, ip: &str) -> Pod {
        cluster.node(node, "zone").await;
        self.pod["spec"]["nodeName"] = json!(node);
        let (namespace, name) = (self.namespace.clone(), self.name.clone());
        self.create(cluster).await;
        set_pod(cluster, &namespace, &name, ip, true).await
    }
}

/// The status of a Pod that is running at an address.
pub(super) fn running(ip: &str, ready: bool) -> Value {
    let ready = if ready { "True" } else { "False" };
    json!({"status": {
        "phase": "Running",
        "podIP": ip,
        "podIPs": [{"ip": ip}],
        "conditions": [{"type": "Ready", "status": ready}],
    }})
}

/// Says that a Pod is running at an address, and whether it is ready.
pub(crate) async fn set_pod(
    cluster: &Cluster,
    namespace: &str,
    name: &str,
    ip: &str,
    ready: bool,
) -> Pod {
    let pods: Api<Pod> = Api::namespaced(cluster.client().await, namespace);
    let status = Patch::Merge(running(ip, ready));
    pods.patch_status(name, &PatchParams::default(), &status)
        .await
        .unwrap()
}

/// Deletes a Pod at once, as if its kubelet had stopped it; returns when it is gone.
pub(crate) async fn delete_pod(cluster: &Cluster, namespace: &str, name: &str) {
    let pods: Api<Pod> = Api::namespaced(cluster.client().await, namespace);
    let params = DeleteParams::default().grace_period(0);
    pods.delete(name, &params).await.unwrap();
    eventually(format!("{namespace}/{name} is gone"), async || {
        let found = pods.get_opt(name).await.unwrap();
        found.is_none().then_some(())
    })
    .await;
}
