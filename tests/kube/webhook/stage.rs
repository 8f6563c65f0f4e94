//! A control plane whose webhooks a real API server calls.

use std::collections::BTreeMap;
use std::process::Output;
use std::sync::atomic::{AtomicU32, Ordering};

use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::Api;
use serde_json::{Value, json};

use crate::rig::{Cluster, Parts, eventually};
use crate::serve::Serve;

pub(super) const SYSTEM: &str = "mirrorplane-system";
pub(super) const FLAGS: [&str; 7] = [
    "--certificates=secret",
    "--certificate-name=127.0.0.1",
    "--webhook=127.0.0.1:0",
    "--token-review",
    "--image=mirrorplane:test",
    "--proxy-image=envoy:test",
    "--log=mirrorplane=debug,info",
];

/// A control plane, and webhook configurations that name its address and no CA.
pub(super) struct Webhooks {
    pub(super) cluster: Cluster,
    pub(super) serve: Serve,
}

impl Webhooks {
    pub(super) async fn start() -> Option<Self> {
        let cluster = Cluster::own(Parts::Api).await?;
        let crds = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/crds");
        cluster.kubectl(&["apply", "-k", crds]).await.ok();
        cluster.kubectl(&["create", "namespace", SYSTEM]).await.ok();
        let serve = Serve::start(&cluster, &FLAGS).await;
        let this = Self { cluster, serve };
        this.configure("Ignore").await;
        Some(this)
    }

    /// Applies the configurations, and waits for the CAs that the control plane puts in.
    pub(super) async fn configure(&self, failure_policy: &str) {
        let address = self.serve.said_address("webhooks address=").await;
        let webhook = |name: &str, path: &str, rules: Value| {
            json!([{
                "name": name,
                "admissionReviewVersions": ["v1"],
                "clientConfig": { "url": format!("https://{address}/{path}") },
                "rules": [rules],
                "failurePolicy": failure_policy,
                "sideEffects": "None",
                "timeoutSeconds": 5,
                "namespaceSelector": { "matchExpressions": [{
                    "key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": [SYSTEM],
                }] },
            }])
        };
        let configuration = |kind: &str, webhooks: Value| {
            json!({
                "apiVersion": "admissionregistration.k8s.io/v1",
                "kind": kind,
                "metadata": { "name": "mirrorplane" },
                "webhooks": webhooks,
            })
        };
        let pods = json!({"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]});
        let plugins = json!({"apiGroups": ["plugin.flomesh.io"], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"], "resources": ["*"]});
        for one in [
            configuration(
                "MutatingWebhookConfiguration",
                webhook("inject.mirrorplane.io", "mutate", pods),
            ),
            configuration(
                "ValidatingWebhookConfiguration",
                webhook("validate.mirrorplane.io", "validate", plugins),
            ),
        ] {
            self.cluster.apply(&one.to_string()).await;
        }
        self.trusted().await;
    }

    /// Waits until the API server is told to trust the CAs of the Secret.
    pub(super) async fn trusted(&self) {
        let api: Api<MutatingWebhookConfiguration> = Api::all(self.cluster.client().await);
        eventually("the CAs in the webhook configuration", async || {
            let bundle = self.secret().await.remove("ca.crt")?;
            let found = api.get("mirrorplane").await.ok()?.webhooks?;
            let held = found[0].client_config.ca_bundle.clone()?;
            (held.0 == bundle).then_some(())
        })
        .await;
    }

    pub(super) async fn secret(&self) -> BTreeMap<String, Vec<u8>> {
        let secrets: Api<Secret> = Api::namespaced(self.cluster.client().await, SYSTEM);
        let found = secrets.get_opt("mirrorplane-certificates").await.unwrap();
        let data = found.and_then(|secret| secret.data).unwrap_or_default();
        data.into_iter()
            .map(|(key, ByteString(bytes))| (key, bytes))
            .collect()
    }

    /// A Pod, made with these annotations.
    pub(super) async fn make_pod(&self, namespace: &str, name: &str, annotations: Value) -> Pod {
        let pod = pod(namespace, name, annotations);
        self.cluster
            .kubectl_with(&["create", "-f", "-"], &pod.to_string())
            .await
            .ok();
        let pods: Api<Pod> = Api::namespaced(self.cluster.client().await, namespace);
        pods.get(name).await.unwrap()
    }

    /// Makes Pods until one has a sidecar: a configuration takes effect a moment later.
    pub(super) async fn injected(&self, namespace: &str) -> Pod {
        let number = AtomicU32::new(0);
        eventually("a Pod with a sidecar", async || {
            let number = number.fetch_add(1, Ordering::Relaxed);
            let pod = self
                .make_pod(namespace, &format!("curl-{number}"), json!({}))
                .await;
            has_sidecar(&pod).then_some(pod)
        })
        .await
    }

    pub(super) fn namespace(&self, arguments: &[&str]) -> Output {
        std::process::Command::new(env!("CARGO_BIN_EXE_mirrorplane"))
            .arg("namespace")
            .args(arguments)
            .env("KUBECONFIG", self.cluster.kubeconfig())
            .output()
            .unwrap()
    }

    pub(super) async fn mesh_namespace(&self, prefix: &str) -> String {
        let namespace = self.cluster.namespace(prefix).await;
        let added = self.namespace(&["add", &namespace]);
        assert!(added.status.success(), "{}", text(&added.stderr));
        namespace
    }
}

pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub(super) fn pod(namespace: &str, name: &str, annotations: Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": name, "namespace": namespace, "annotations": annotations },
        // In a whole cluster the API server sets the account before it asks.
        "spec": { "serviceAccountName": "default", "containers": [{ "name": "curl", "image": "curlimages/curl" }] },
    })
}

pub(super) fn has_sidecar(pod: &Pod) -> bool {
    let spec = pod.spec.as_ref().unwrap();
    let containers = spec.init_containers.iter().flatten();
    containers
        .into_iter()
        .any(|one| one.name == "mirrorplane-sidecar")
}
