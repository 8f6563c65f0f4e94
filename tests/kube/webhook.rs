//! The webhooks, called by a real API server; the certificates that they serve with; `mirrorplane namespace`.

use std::collections::BTreeMap;
use std::process::Output;

use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};

use crate::rig::{Cluster, Parts, eventually};
use crate::serve::Serve;

const SYSTEM: &str = "mirrorplane-system";
const FLAGS: [&str; 7] = [
    "--certificates=secret",
    "--certificate-name=127.0.0.1",
    "--webhook=127.0.0.1:0",
    "--token-review",
    "--image=mirrorplane:test",
    "--proxy-image=envoy:test",
    "--log=mirrorplane=debug,info",
];

/// A control plane, and webhook configurations that name its address and no CA.
struct Webhooks {
    cluster: Cluster,
    serve: Serve,
}

impl Webhooks {
    async fn start() -> Option<Self> {
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
    async fn configure(&self, failure_policy: &str) {
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
    async fn trusted(&self) {
        let api: Api<MutatingWebhookConfiguration> = Api::all(self.cluster.client().await);
        eventually("the CAs in the webhook configuration", async || {
            let bundle = self.secret().await.remove("ca.crt")?;
            let found = api.get("mirrorplane").await.ok()?.webhooks?;
            let held = found[0].client_config.ca_bundle.clone()?;
            (held.0 == bundle).then_some(())
        })
        .await;
    }

    async fn secret(&self) -> BTreeMap<String, Vec<u8>> {
        let secrets: Api<Secret> = Api::namespaced(self.cluster.client().await, SYSTEM);
        let found = secrets.get_opt("mirrorplane-certificates").await.unwrap();
        let data = found.and_then(|secret| secret.data).unwrap_or_default();
        data.into_iter()
            .map(|(key, ByteString(bytes))| (key, bytes))
            .collect()
    }

    /// A Pod, made with these annotations.
    async fn make_pod(&self, namespace: &str, name: &str, annotations: Value) -> Pod {
        let pod = pod(namespace, name, annotations);
        self.cluster
            .kubectl_with(&["create", "-f", "-"], &pod.to_string())
            .await
            .ok();
        let pods: Api<Pod> = Api::namespaced(self.cluster.client().await, namespace);
        pods.get(name).await.unwrap()
    }

    /// Makes Pods until one has a sidecar: a configuration takes effect a moment later.
    async fn injected(&self, namespace: &str) -> Pod {
        let number = std::sync::atomic::AtomicU32::new(0);
        eventually("a Pod with a sidecar", async || {
            let number = number.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let pod = self
                .make_pod(namespace, &format!("curl-{number}"), json!({}))
                .await;
            has_sidecar(&pod).then_some(pod)
        })
        .await
    }

    fn namespace(&self, arguments: &[&str]) -> Output {
        std::process::Command::new(env!("CARGO_BIN_EXE_mirrorplane"))
            .arg("namespace")
            .args(arguments)
            .env("KUBECONFIG", self.cluster.kubeconfig())
            .output()
            .unwrap()
    }

    async fn mesh_namespace(&self, prefix: &str) -> String {
        let namespace = self.cluster.namespace(prefix).await;
        let added = self.namespace(&["add", &namespace]);
        assert!(added.status.success(), "{}", text(&added.stderr));
        namespace
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn pod(namespace: &str, name: &str, annotations: Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": name, "namespace": namespace, "annotations": annotations },
        // In a whole cluster the API server sets the account before it asks.
        "spec": { "serviceAccountName": "default", "containers": [{ "name": "curl", "image": "curlimages/curl" }] },
    })
}

fn has_sidecar(pod: &Pod) -> bool {
    let spec = pod.spec.as_ref().unwrap();
    let containers = spec.init_containers.iter().flatten();
    containers
        .into_iter()
        .any(|one| one.name == "mirrorplane-sidecar")
}

fn config(namespace: &str, config: Value) -> String {
    json!({
        "apiVersion": "plugin.flomesh.io/v1alpha1",
        "kind": "PluginConfig",
        "metadata": { "name": "mirror", "namespace": namespace },
        "spec": {
            "plugin": "traffic-mirror",
            "destinationRefs": [{ "kind": "Service", "name": "v1", "namespace": namespace }],
            "config": config,
        },
    })
    .to_string()
}

#[tokio::test]
async fn the_api_server_asks_and_does_what_it_is_told() {
    let Some(mut webhooks) = Webhooks::start().await else {
        return;
    };
    namespaces_join_and_leave(&webhooks).await;
    pods_get_a_sidecar_or_not(&webhooks).await;
    objects_are_judged(&webhooks).await;
    certificates_are_made_anew(&webhooks).await;
    nobody_answers(&mut webhooks).await;
}

async fn namespaces_join_and_leave(webhooks: &Webhooks) {
    let name = webhooks.cluster.namespace("joining").await;
    for (arguments, code, expected) in [
        (
            vec!["add", &name, "--disable-sidecar-injection"],
            0,
            "Pods get no sidecar unless",
        ),
        (vec!["add", &name], 0, "new Pods get a sidecar"),
        (vec!["add", &name], 0, "warning: "),
        (
            vec!["add", &name, "--mesh-name", "other"],
            2,
            "belongs to the mesh `osm`",
        ),
        (
            vec!["add", "nowhere", SYSTEM],
            2,
            "there is no namespace `nowhere`",
        ),
        (vec!["add", SYSTEM], 2, "namespace of the control plane"),
        (
            vec!["remove", &name, "--mesh-name", "other"],
            2,
            "not to `other`",
        ),
    ] {
        let output = webhooks.namespace(&arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
    let table = text(&webhooks.namespace(&["list"]).stdout);
    let expected = format!("NAMESPACE   MESH   SIDECAR-INJECTION\n{name}   osm    enabled\n");
    assert_eq!(table, expected);
    let json: Value =
        serde_json::from_slice(&webhooks.namespace(&["list", "-o", "json"]).stdout).unwrap();
    assert_eq!(json[0]["sidecarInjection"], "enabled");
    assert!(webhooks.namespace(&["remove", &name]).status.success());
    assert_eq!(text(&webhooks.namespace(&["list"]).stdout), "");
}

async fn pods_get_a_sidecar_or_not(webhooks: &Webhooks) {
    let namespace = webhooks.mesh_namespace("curl").await;
    let pod = webhooks.injected(&namespace).await;
    golden(&pod);
    // Whatever the API server has made of it, it is not injected again.
    let mut copy = serde_json::to_value(&pod).unwrap();
    copy["apiVersion"] = json!("v1");
    copy["kind"] = json!("Pod");
    copy["metadata"] =
        json!({"name": "copy", "namespace": namespace, "annotations": pod.metadata.annotations});
    copy.as_object_mut().unwrap().remove("status");
    let copy = copy.to_string();
    let made = webhooks
        .cluster
        .kubectl_with(&["create", "-o", "json", "-f", "-"], &copy);
    let made: Pod = serde_json::from_str(&made.await.ok()).unwrap();
    assert_eq!(made.spec.unwrap().init_containers.unwrap().len(), 2);

    let no = json!({"openservicemesh.io/sidecar-injection": "disabled"});
    assert!(!has_sidecar(
        &webhooks.make_pod(&namespace, "declined", no).await
    ));
    let outside = webhooks.cluster.namespace("outside").await;
    let yes = json!({"openservicemesh.io/sidecar-injection": "enabled"});
    assert!(!has_sidecar(
        &webhooks.make_pod(&outside, "outside", yes).await
    ));
    for (annotation, value, code) in [
        ("openservicemesh.io/sidecar-injection", "on", "MP601"),
        (
            "openservicemesh.io/outbound-port-exclusion-list",
            "http",
            "MP602",
        ),
    ] {
        let bad = pod_text(&namespace, &json!({ annotation: value }));
        let refused = webhooks
            .cluster
            .kubectl_with(&["create", "-f", "-"], &bad)
            .await
            .refused();
        let path = format!("{code} metadata.annotations[\"{annotation}\"]");
        assert!(refused.contains(&path), "{refused}");
    }
    assert!(
        webhooks
            .serve
            .metric("admission_pods_total{outcome=\"injected\"}")
            .await
            >= 1
    );
    assert_eq!(
        webhooks
            .serve
            .metric("admission_pods_total{outcome=\"declined\"}")
            .await,
        1
    );
}

fn pod_text(namespace: &str, annotations: &Value) -> String {
    pod(namespace, "bad", annotations.clone()).to_string()
}

/// What the API server keeps of the sidecar, with its defaults.
fn golden(pod: &Pod) {
    let pod = serde_json::to_value(pod).unwrap();
    let mut kept = json!({
        "annotations": pod["metadata"]["annotations"],
        "initContainers": pod["spec"]["initContainers"],
        "volumes": pod["spec"]["volumes"],
    });
    // Its CA is another one each time, and it has a test of its own.
    kept["initContainers"][1]["args"][1] = json!("(bootstrap)");
    let kept = serde_json::to_string_pretty(&kept).unwrap() + "\n";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kube/injected.json");
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    if expected != kept && (expected.is_empty() || std::env::var_os("UPDATE_GOLDEN").is_some()) {
        std::fs::write(path, &kept).unwrap();
    }
    assert_eq!(kept, expected);
}

async fn objects_are_judged(webhooks: &Webhooks) {
    let cluster = &webhooks.cluster;
    let namespace = cluster.namespace("judged").await;
    let good = json!({"namespace": namespace, "service": "v2", "port": 8080, "percentage": {"value": 1.0}});
    // Nothing that it names is there yet: it is kept, and that is said.
    let said = eventually("a warning", async || {
        let manifest = config(&namespace, good.clone());
        let applied = cluster.kubectl_with(&["apply", "-f", "-"], &manifest);
        let said = applied.await;
        let warned = said.stderr().to_owned();
        said.ok();
        if warned.contains("Warning: ") {
            return Some(warned);
        }
        cluster
            .kubectl(&["delete", "pluginconfig", "mirror", "-n", &namespace])
            .await
            .ok();
        None
    });
    let said = said.await;
    assert!(
        said.contains("MP301 spec.plugin: there is no Plugin `traffic-mirror`"),
        "{said}"
    );

    let plugin = r#"{"apiVersion": "plugin.flomesh.io/v1alpha1", "kind": "Plugin",
        "metadata": {"name": "traffic-mirror"}, "spec": {"priority": 115, "pipyscript": "()"}}"#;
    cluster.apply(plugin).await;
    let bad = json!({"namespace": namespace, "servcie": "v2", "port": 8080, "percentage": {"value": 1.0}});
    // It is known to be a mirror's as soon as the control plane has seen the Plugin.
    let refused = eventually("a refusal", async || {
        let manifest = config(&namespace, bad.clone());
        let applied = cluster.kubectl_with(&["apply", "--dry-run=server", "-f", "-"], &manifest);
        let said = applied.await;
        let text = said.stderr().to_owned();
        text.contains("denied the request").then_some(text)
    });
    let refused = refused.await;
    assert!(refused.contains("MP311 spec.config.servcie"), "{refused}");
    // What is there may be labelled and deleted, whatever it says.
    cluster
        .kubectl(&["label", "pluginconfig", "mirror", "-n", &namespace, "a=b"])
        .await
        .ok();
    cluster
        .kubectl(&["delete", "pluginconfig", "mirror", "-n", &namespace])
        .await
        .ok();
}

async fn certificates_are_made_anew(webhooks: &Webhooks) {
    let before = webhooks.secret().await;
    let second = Serve::start(&webhooks.cluster, &FLAGS).await;
    second.said_address("webhooks address=").await;
    assert_eq!(
        webhooks.secret().await,
        before,
        "the second replica takes what is there"
    );
    drop(second);

    // Another certificate, by the same CA.
    let secrets: Api<Secret> = Api::namespaced(webhooks.cluster.client().await, SYSTEM);
    let patch = json!({"data": {"tls.crt": null, "tls.key": null}});
    let params = PatchParams::default();
    secrets
        .patch("mirrorplane-certificates", &params, &Patch::Merge(patch))
        .await
        .unwrap();
    eventually("another certificate", async || {
        let now = webhooks.secret().await;
        let made = now
            .get("tls.crt")
            .is_some_and(|made| *made != before["tls.crt"]);
        assert_eq!(now["ca.crt"], before["ca.crt"]);
        made.then_some(())
    })
    .await;
    eventually("its use", async || {
        let loaded = webhooks.serve.log().matches("certificates loaded").count();
        (loaded >= 2).then_some(())
    })
    .await;
    let namespace = webhooks.mesh_namespace("renewed").await;
    assert!(has_sidecar(
        &webhooks.make_pod(&namespace, "curl", json!({})).await
    ));

    // Somebody takes the CAs out of the configuration: they are put in again.
    let wrong = json!([{"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"}]).to_string();
    let arguments = [
        "patch",
        "mutatingwebhookconfiguration",
        "mirrorplane",
        "--type=json",
        "-p",
        &wrong,
    ];
    webhooks.cluster.kubectl(&arguments).await.ok();
    webhooks.trusted().await;
}

async fn nobody_answers(webhooks: &mut Webhooks) {
    let namespace = webhooks.mesh_namespace("alone").await;
    webhooks.serve.kill();
    let pod = webhooks.make_pod(&namespace, "ignored", json!({})).await;
    assert!(!has_sidecar(&pod));
    for kind in ["mutating", "validating"] {
        let fail = json!([{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Fail"}])
            .to_string();
        let kind = format!("{kind}webhookconfiguration");
        webhooks
            .cluster
            .kubectl(&["patch", &kind, "mirrorplane", "--type=json", "-p", &fail])
            .await
            .ok();
    }
    let number = std::sync::atomic::AtomicU32::new(0);
    let refused = eventually("a refusal", async || {
        let number = number.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let pod = crate::webhook::pod(&namespace, &format!("refused-{number}"), json!({}));
        let made = webhooks
            .cluster
            .kubectl_with(&["create", "-f", "-"], &pod.to_string())
            .await;
        let said = made.stderr().to_owned();
        said.contains("failed calling webhook").then_some(said)
    });
    let refused = refused.await;
    assert!(refused.contains("inject.mirrorplane.io"), "{refused}");
}
