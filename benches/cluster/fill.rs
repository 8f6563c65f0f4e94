//! The objects of the cluster.

use anyhow::Context;
use futures_util::StreamExt;
use futures_util::TryStreamExt;
use futures_util::stream;
use kube::Client;
use kube::api::Patch;
use kube::api::PatchParams;
use kube::api::PostParams;
use kube::core::Request;
use serde_json::Value;
use serde_json::json;

use super::Args;
use super::mesh::mesh_config;

/// Requests at a time.
const PARALLEL: usize = 32;

/// Makes and changes objects.
pub(crate) struct Fill {
    client: Client,
}

/// The path of a collection, and an object of it.
type Creation = (String, Value);

impl Fill {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Makes everything.
    pub(crate) async fn all(&self, args: &Args) -> anyhow::Result<()> {
        let namespaces = ["callers", "shop", "osm-system"].map(namespace).into_iter();
        self.create(namespaces).await?;
        let mesh = [
            (
                "/apis/config.openservicemesh.io/v1alpha2/namespaces/osm-system/meshconfigs"
                    .to_owned(),
                mesh_config(true),
            ),
            plugin(
                "plugins",
                json!({
                    "kind": "Plugin", "metadata": {"name": "traffic-mirror"}, "spec": {"priority": 115},
                }),
            ),
            plugin(
                "namespaces/shop/pluginchains",
                json!({
                    "kind": "PluginChain", "metadata": {"name": "chain"},
                    "spec": {
                        "chains": [{"name": "outbound-http", "plugins": ["traffic-mirror"]}],
                        "selectors": {"podSelector": {"matchLabels": {"app": "caller"}}},
                    },
                }),
            ),
        ];
        self.create(mesh.into_iter()).await?;
        self.create((0..args.services).flat_map(service)).await?;
        self.create((0..args.rules).map(rule)).await?;
        self.create((0..args.pods).map(pod)).await
    }

    async fn create(&self, objects: impl Iterator<Item = Creation> + Send) -> anyhow::Result<()> {
        let created = stream::iter(objects).map(|(path, object)| async move {
            let body = serde_json::to_vec(&object)?;
            let request = Request::new(path).create(&PostParams::default(), body)?;
            let answer = self.client.request::<Value>(request).await;
            answer.with_context(|| object.to_string()).map(drop)
        });
        created.buffer_unordered(PARALLEL).try_collect().await
    }

    /// Merges a patch into an object.
    pub(crate) async fn patch(&self, path: &str, patch: &Value) -> anyhow::Result<()> {
        let (collection, name) = match path.strip_suffix("/status") {
            Some(object) => (object.rsplit_once('/'), Some("status")),
            None => (path.rsplit_once('/'), None),
        };
        let (Some((collection, name)), subresource) = (collection, name) else {
            anyhow::bail!("no path of an object: {path}");
        };
        let (params, patch) = (PatchParams::default(), Patch::Merge(patch));
        let request = Request::new(collection);
        let request = match subresource {
            Some(part) => request.patch_subresource(part, name, &params, &patch)?,
            None => request.patch(name, &params, &patch)?,
        };
        self.client
            .request::<Value>(request)
            .await
            .with_context(|| path.to_owned())?;
        Ok(())
    }
}

fn namespace(name: &str) -> Creation {
    let object = json!({"metadata": {"name": name}});
    ("/api/v1/namespaces".to_owned(), object)
}

fn plugin(path: &str, mut object: Value) -> Creation {
    object["apiVersion"] = json!("plugin.flomesh.io/v1alpha1");
    (format!("/apis/plugin.flomesh.io/v1alpha1/{path}"), object)
}

/// A Service with three endpoints.
fn service(number: usize) -> [Creation; 2] {
    let name = format!("service-{number}");
    let addresses = (1..=3).map(|host| format!("10.{}.{}.{host}", 1 + number / 256, number % 256));
    let endpoints: Vec<_> = addresses
        .map(|address| json!({"addresses": [address], "conditions": {"ready": true, "serving": true}}))
        .collect();
    [
        (
            "/api/v1/namespaces/shop/services".to_owned(),
            json!({"metadata": {"name": name}, "spec": {"ports": [{"name": "http", "port": 8080}]}}),
        ),
        (
            "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices".to_owned(),
            json!({
                "metadata": {"name": name, "labels": {"kubernetes.io/service-name": name}},
                "addressType": "IPv4", "endpoints": endpoints, "ports": [{"name": "http", "port": 8080}],
            }),
        ),
    ]
}

/// A mirror from an even Service to the odd one after it.
fn rule(number: usize) -> Creation {
    let live = format!("service-{}", 2 * number);
    let shadow = format!("service-{}", 2 * number + 1);
    plugin(
        "namespaces/shop/pluginconfigs",
        json!({
            "kind": "PluginConfig", "metadata": {"name": format!("mirror-{number}")},
            "spec": {
                "plugin": "traffic-mirror",
                "destinationRefs": [{"kind": "Service", "name": live, "namespace": "shop"}],
                "config": {"namespace": "shop", "service": shadow, "port": 8080, "percentage": {"value": 0.25}},
            },
        }),
    )
}

/// A caller, as wordy as a Deployment makes it.
fn pod(number: usize) -> Creation {
    let environment: Vec<_> = (0..10)
        .map(|one| json!({"name": format!("VARIABLE_{one}"), "value": "x".repeat(40)}))
        .collect();
    let object = json!({
        "metadata": {
            "name": format!("caller-{number}"),
            "labels": {
                "app": "caller", "pod-template-hash": format!("{:08x}", number / 10),
                "app.kubernetes.io/part-of": "shop", "version": "v1",
            },
            "annotations": {
                "kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z",
                "prometheus.io/scrape": "true", "prometheus.io/port": "8080",
            },
        },
        "spec": {"containers": [{
            "name": "app", "image": "registry.example/shop/caller:v1", "env": environment,
            "ports": [{"name": "http", "containerPort": 8080}],
        }]},
    });
    ("/api/v1/namespaces/callers/pods".to_owned(), object)
}
