//! Copies for some of the Pods of a Service: the API server says which Pods they are, and when that changes.

use std::sync::{Arc, Mutex};

use mirrorplane::proto::envoy::config::core::v3 as core;
use mirrorplane::proto::envoy::config::endpoint::v3::ClusterLoadAssignment;
use mirrorplane::proto::envoy::config::endpoint::v3::lb_endpoint::HostIdentifier;
use mirrorplane::proto::envoy::service::discovery::v3 as discovery;
use mirrorplane::snapshot::ResourceType;
use prost::Message;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;

use crate::rig::{Cluster, Parts, TestPod, delete_pod, eventually, set_pod};
use crate::serve::Serve;
use crate::source::mesh::{config, mesh_config, mirror, workloads};

/// What the endpoints are called on the wire.
const SUBSET: &str = "pipy/pipy-ok|8080|version=v2";

type Client = discovery::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient<
    tonic::transport::Channel,
>;

/// A sidecar that takes everything, and remembers which addresses the subset has had.
struct Sidecar {
    told: Arc<Mutex<Vec<Vec<String>>>>,
    task: JoinHandle<()>,
}

impl Sidecar {
    async fn start(at: &Serve) -> Self {
        let mut client = Client::connect(format!("http://{}", at.address))
            .await
            .unwrap();
        let (requests, outbound) = mpsc::channel(16);
        let first = discovery::DiscoveryRequest {
            node: Some(core::Node {
                id: "curl/curl".to_owned(),
                ..core::Node::default()
            }),
            type_url: ResourceType::Endpoint.type_url().to_owned(),
            resource_names: vec![SUBSET.to_owned()],
            ..discovery::DiscoveryRequest::default()
        };
        requests.send(first.clone()).await.unwrap();
        let stream = client.stream_aggregated_resources(ReceiverStream::new(outbound));
        let mut responses = stream.await.unwrap().into_inner();
        let told = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&told);
        let task = tokio::spawn(async move {
            while let Some(response) = responses.message().await.unwrap() {
                for resource in &response.resources {
                    seen.lock().unwrap().push(addresses(&resource.value));
                }
                let accepted = discovery::DiscoveryRequest {
                    response_nonce: response.nonce,
                    version_info: response.version_info,
                    node: None,
                    ..first.clone()
                };
                if requests.send(accepted).await.is_err() {
                    return;
                }
            }
        });
        Self { told, task }
    }

    /// Waits until the subset has these addresses.
    async fn has(&self, expected: &[&str]) {
        eventually(format!("{SUBSET}: {expected:?}"), async || {
            let told = self.told.lock().unwrap();
            told.last()
                .is_some_and(|last| last == expected)
                .then_some(())
        })
        .await;
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn addresses(encoded: &[u8]) -> Vec<String> {
    let assignment = ClusterLoadAssignment::decode(encoded).unwrap();
    assert_eq!(assignment.cluster_name, SUBSET);
    let endpoints = assignment.endpoints.into_iter();
    let endpoints = endpoints.flat_map(|locality| locality.lb_endpoints);
    let address = |endpoint: HostIdentifier| match endpoint {
        HostIdentifier::Endpoint(endpoint) => match endpoint.address?.address? {
            core::address::Address::SocketAddress(socket) => Some(socket.address),
            _ => None,
        },
        HostIdentifier::EndpointName(_) => None,
    };
    endpoints
        .filter_map(|endpoint| address(endpoint.host_identifier?))
        .collect()
}

async fn label(cluster: &Cluster, pod: &str, label: &str) {
    let arguments = ["label", "pod", "-n", "pipy", "--overwrite", pod, label];
    cluster.kubectl(&arguments).await.ok();
}

#[tokio::test]
async fn the_labels_of_pods_say_who_gets_copies_and_a_change_of_them_is_followed() {
    let Some(cluster) = Cluster::own(Parts::Controllers).await else {
        return;
    };
    cluster.define_kinds().await;
    cluster.apply(&workloads()).await;
    cluster.apply(&mirror(&json!(1.0))).await;
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "pipy-ok", "namespace": "pipy"},
        "spec": {"selector": {"app": "pipy-ok"}, "ports": [{"name": "pipy", "port": 8080}]},
    });
    let mut subset = config(&json!(1.0));
    subset["spec"]["config"]["service"] = json!("pipy-ok");
    subset["spec"]["config"]["subset"] = json!({"labels": {"version": "v2"}});
    let system = json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mirrorplane-system"},
    });
    cluster
        .apply_all(&[system, service, mesh_config(true), subset])
        .await;
    for (name, version, ip) in [("two", "v2", "10.1.0.12"), ("three", "v3", "10.1.0.13")] {
        let pod = TestPod::new("pipy", name)
            .label("app", "pipy-ok")
            .label("version", version);
        pod.run(&cluster, "node", ip).await;
    }
    let serve = Serve::start::<&str>(&cluster, &[]).await;
    let sidecar = Sidecar::start(&serve).await;
    sidecar.has(&["10.1.0.12"]).await;
    let shown = ["get", "pluginconfig", "traffic-mirror-config", "-n", "curl"];
    eventually("kubectl shows the subset", async || {
        let table = cluster.kubectl(&shown).await.ok();
        table
            .contains(" pipy/pipy-ok:8080[version=v2] ")
            .then_some(())
    })
    .await;

    // A Pod comes in, one goes out, and one that is not ready gets none.
    label(&cluster, "three", "version=v2").await;
    sidecar.has(&["10.1.0.12", "10.1.0.13"]).await;
    label(&cluster, "two", "version-").await;
    sidecar.has(&["10.1.0.13"]).await;
    label(&cluster, "two", "version=v2").await;
    sidecar.has(&["10.1.0.12", "10.1.0.13"]).await;
    set_pod(&cluster, "pipy", "two", "10.1.0.12", false).await;
    sidecar.has(&["10.1.0.13"]).await;
    delete_pod(&cluster, "pipy", "three").await;
    sidecar.has(&[]).await;

    // Nobody else was ever told of, not even in between.
    let told = sidecar.told.lock().unwrap().clone();
    let told: Vec<_> = told
        .into_iter()
        .skip_while(|addresses| addresses.is_empty())
        .collect();
    let (two, three) = ("10.1.0.12", "10.1.0.13");
    let expected: [&[&str]; 6] = [
        &[two],
        &[two, three],
        &[three],
        &[two, three],
        &[three],
        &[],
    ];
    assert_eq!(told, expected);
    let whole = r#"config_diagnostics{code="MP324",severity="warning"}"#;
    eventually("it is said that there is nobody left", async || {
        (serve.find_metric(whole).await == Some(1)).then_some(())
    })
    .await;
}
