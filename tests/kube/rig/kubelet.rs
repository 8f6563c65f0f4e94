//! What scheduler and kubelets would do, for tests in which controllers make the Pods.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use serde_json::json;
use tokio::time::sleep;

use super::Cluster;
use super::pod::running;

/// The Node that all Pods are on.
const NODE: &str = "played";

impl Cluster {
    /// Places every Pod, says that it is running and ready at an address of its own, and lets go of it when it is
    /// deleted; for ever. Nothing runs in the Pods.
    pub(crate) async fn play_kubelet(&self) {
        let client = self.client().await;
        self.node(NODE, "zone").await;
        let all: Api<Pod> = Api::all(client.clone());
        let mut addresses = (1..=u8::MAX)
            .flat_map(|high| (1..u8::MAX).map(move |low| format!("10.200.{high}.{low}")));
        loop {
            // Whatever goes wrong is tried again: Pods go away at any time.
            let found = all.list(&ListParams::default()).await;
            for pod in found.iter().flatten() {
                let (Some(namespace), Some(name)) = (&pod.metadata.namespace, &pod.metadata.name)
                else {
                    continue;
                };
                let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
                let is_placed = pod
                    .spec
                    .as_ref()
                    .is_some_and(|spec| spec.node_name.is_some());
                let is_running = pod.status.as_ref().is_some_and(|is| is.pod_ip.is_some());
                if pod.metadata.deletion_timestamp.is_some() {
                    let params = DeleteParams::default().grace_period(0);
                    pods.delete(name, &params).await.ok();
                } else if !is_placed {
                    bind(&client, namespace, name).await.ok();
                } else if !is_running && let Some(address) = addresses.next() {
                    let status = Patch::Merge(running(&address, true));
                    let params = PatchParams::default();
                    pods.patch_status(name, &params, &status).await.ok();
                }
            }
            sleep(Duration::from_millis(200)).await;
        }
    }
}

async fn bind(client: &Client, namespace: &str, name: &str) -> kube::Result<String> {
    let binding = json!({
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"namespace": namespace, "name": name},
        "target": {"apiVersion": "v1", "kind": "Node", "name": NODE},
    });
    let uri = format!("/api/v1/namespaces/{namespace}/pods/{name}/binding");
    let request = http::Request::post(uri)
        .header("content-type", "application/json")
        .body(binding.to_string().into_bytes())
        .map_err(kube::Error::HttpError)?;
    client.request_text(request).await
}
