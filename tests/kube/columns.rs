//! What `kubectl get` shows of our kinds, after the guide was followed with its short and singular names.

use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::discovery::ApiResource;
use mirrorplane::api::status::{
    Condition, PluginChainStatus, PluginConfigStatus, PluginStatus, Truth,
};
use serde_json::{Value, json};

use crate::rig::{Cluster, Parts};

const SEED: [(&str, &str); 3] = [
    ("plugin", include_str!("seed/plugin.yaml")),
    ("chain", include_str!("seed/chain.yaml")),
    ("config", include_str!("seed/config.yaml")),
];

fn programmed(status: Truth) -> Vec<Condition> {
    vec![Condition {
        type_: "Programmed".to_owned(),
        status,
        observed_generation: Some(1),
        last_transition_time: "2026-01-02T03:04:05Z".to_owned(),
        reason: "OnSidecars".to_owned(),
        message: "on 11 of 12 sidecars".to_owned(),
    }]
}

async fn put_status(
    cluster: &Cluster,
    kind: &str,
    namespace: Option<&str>,
    name: &str,
    status: Value,
) {
    let resource = ApiResource {
        group: "plugin.flomesh.io".to_owned(),
        version: "v1alpha1".to_owned(),
        api_version: "plugin.flomesh.io/v1alpha1".to_owned(),
        kind: kind.to_owned(),
        plural: format!("{}s", kind.to_lowercase()),
    };
    let client = cluster.client().await;
    let api: Api<DynamicObject> = match namespace {
        Some(namespace) => Api::namespaced_with(client, namespace, &resource),
        None => Api::all_with(client, &resource),
    };
    let patch = Patch::Merge(json!({"status": status}));
    let patched = api
        .patch_status(name, &PatchParams::default(), &patch)
        .await
        .unwrap();
    assert_eq!(
        patched.data["status"], status,
        "a field of the status is lost"
    );
    assert_eq!(patched.metadata.generation, Some(1));
}

/// The words of a table's lines, without the last column, the age.
async fn table(cluster: &Cluster, what: &[&str]) -> Vec<Vec<String>> {
    let table = cluster.kubectl(&[&["get"], what].concat()).await.ok();
    table
        .lines()
        .map(|line| {
            let mut words: Vec<String> = line
                .split("  ")
                .map(|word| word.trim().to_owned())
                .collect();
            words.retain(|word| !word.is_empty());
            words.pop();
            words
        })
        .collect()
}

#[tokio::test]
async fn the_guide_works_with_its_short_names_and_kubectl_answers_what_a_user_asks() {
    let Some(cluster) = Cluster::own(Parts::Api).await else {
        return;
    };
    cluster.define_kinds().await;
    for namespace in ["curl", "pipy", "osm-system"] {
        cluster
            .kubectl(&["create", "namespace", namespace])
            .await
            .ok();
    }
    for (namespace, manifest) in [
        ("curl", include_str!("seed/curl.yaml")),
        ("pipy", include_str!("seed/pipy.yaml")),
    ] {
        let apply = ["apply", "-n", namespace, "-f", "-"];
        cluster.kubectl_with(&apply, manifest).await.ok();
    }
    cluster
        .apply("{apiVersion: config.openservicemesh.io/v1alpha2, kind: MeshConfig, metadata: {name: osm-mesh-config, namespace: osm-system}}")
        .await;
    let switch = r#"{"spec":{"featureFlags":{"enablePluginPolicy":true}}}"#;
    cluster
        .kubectl(&[
            "patch",
            "meshconfig",
            "osm-mesh-config",
            "-n",
            "osm-system",
            "-p",
            switch,
            "--type=merge",
        ])
        .await
        .ok();
    for (_, manifest) in SEED {
        cluster.apply(manifest).await;
    }

    let config = PluginConfigStatus {
        conditions: programmed(Truth::False),
        current_status: Some("Mirroring".to_owned()),
        reason: Some("one sidecar lags behind".to_owned()),
        target: Some("pipy/pipy-ok-v2:8080".to_owned()),
        share: Some("25%".to_owned()),
        sidecars: Some("11/12".to_owned()),
        programmed_sidecars: Some(11),
        desired_sidecars: Some(12),
        ramp: None,
        budget: None,
        rate_share: None,
        refused_calls: None,
    };
    let chain = PluginChainStatus {
        conditions: programmed(Truth::Unknown),
        current_status: Some("Accepted".to_owned()),
        reason: Some("all plugins are mirrors".to_owned()),
        plugins: Some("traffic-mirror".to_owned()),
        selected_sidecars: Some(12),
    };
    let plugin = PluginStatus {
        conditions: programmed(Truth::True),
        current_status: Some("Mirror".to_owned()),
        reason: Some("known by its name".to_owned()),
    };
    let config = serde_json::to_value(config).unwrap();
    put_status(
        &cluster,
        "PluginConfig",
        Some("curl"),
        "traffic-mirror-config",
        config,
    )
    .await;
    let chain = serde_json::to_value(chain).unwrap();
    put_status(
        &cluster,
        "PluginChain",
        Some("pipy"),
        "traffic-mirror-chain",
        chain,
    )
    .await;
    let plugin = serde_json::to_value(plugin).unwrap();
    put_status(&cluster, "Plugin", None, "traffic-mirror", plugin).await;

    assert_eq!(
        table(&cluster, &["picfg", "-A"]).await,
        [
            [
                "NAMESPACE",
                "NAME",
                "MIRRORING",
                "TARGET",
                "SHARE",
                "SIDECARS"
            ],
            [
                "curl",
                "traffic-mirror-config",
                "False",
                "pipy/pipy-ok-v2:8080",
                "25%",
                "11/12"
            ],
        ]
    );
    assert_eq!(
        table(&cluster, &["pichn", "-n", "pipy"]).await,
        [
            ["NAME", "PLUGINS", "SIDECARS"],
            ["traffic-mirror-chain", "traffic-mirror", "12"],
        ]
    );
    assert_eq!(
        table(&cluster, &["pi"]).await,
        [
            ["NAME", "PRIORITY", "STATUS"],
            ["traffic-mirror", "115", "Mirror"]
        ]
    );
    assert_eq!(
        table(&cluster, &["meshconfig", "-n", "osm-system"]).await,
        [["NAME", "PLUGINS"], ["osm-mesh-config", "true"]]
    );
    let explained = cluster
        .kubectl(&["explain", "pluginconfig.spec.config.percentage.value"])
        .await
        .ok();
    assert!(
        explained.contains("From 0 (nothing) to 1 (everything)"),
        "{explained}"
    );
}
