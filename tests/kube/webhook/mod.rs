//! The webhooks, called by a real API server; the certificates that they serve with; `mirrorplane namespace`.

mod stage;

use std::sync::atomic::{AtomicU32, Ordering};

use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};

use self::stage::{FLAGS, SYSTEM, Webhooks, has_sidecar, pod, text};
use crate::rig::eventually;
use crate::serve::Serve;

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

    let all = json!({
        "mirrorplane.io/sidecar-cpu-request": "100m",
        "mirrorplane.io/sidecar-cpu-limit": "0.1",
        "mirrorplane.io/sidecar-memory-request": "128Mi",
        "mirrorplane.io/sidecar-memory-limit": "128Mi",
    });
    for (name, annotations, quality) in [
        ("burstable", json!({}), "Burstable"),
        ("guaranteed", all, "Guaranteed"),
    ] {
        let mut whole = stage::pod(&namespace, name, annotations);
        let all = json!({"cpu": "1", "memory": "1Gi"});
        whole["spec"]["containers"][0]["resources"] = json!({"requests": all, "limits": all});
        webhooks.cluster.apply(&whole.to_string()).await;
        let pods: Api<Pod> = Api::namespaced(webhooks.cluster.client().await, &namespace);
        let made = pods.get(name).await.unwrap();
        assert!(has_sidecar(&made));
        assert_eq!(made.status.unwrap().qos_class.unwrap(), quality);
    }

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
        // A Pod that is made anew must not fail for a slip of the pen.
        let name = code.to_lowercase();
        let bad = stage::pod(&namespace, &name, json!({ annotation: value })).to_string();
        let made = webhooks
            .cluster
            .kubectl_with(&["create", "-o", "json", "-f", "-"], &bad)
            .await;
        let warned = made.stderr().to_owned();
        let path = format!("Warning: {code} metadata.annotations[\"{annotation}\"]");
        assert!(warned.contains(&path), "{warned}");
        assert!(!has_sidecar(&serde_json::from_str(&made.ok()).unwrap()));
    }
    assert_eq!(
        webhooks
            .serve
            .metric("admission_pods_total{outcome=\"bad_annotation\"}")
            .await,
        2
    );
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
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/kube/webhook/injected.json"
    );
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
    let made = webhooks.make_pod(&namespace, "ignored", json!({})).await;
    assert!(!has_sidecar(&made));
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
    let number = AtomicU32::new(0);
    let refused = eventually("a refusal", async || {
        let number = number.fetch_add(1, Ordering::Relaxed);
        let refused = pod(&namespace, &format!("refused-{number}"), json!({}));
        let made = webhooks
            .cluster
            .kubectl_with(&["create", "-f", "-"], &refused.to_string())
            .await;
        let said = made.stderr().to_owned();
        said.contains("failed calling webhook").then_some(said)
    });
    let refused = refused.await;
    assert!(refused.contains("inject.mirrorplane.io"), "{refused}");
}
