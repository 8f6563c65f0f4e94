//! Changing a share costs a few bytes: no listener, route, cluster or endpoint is pushed.

use std::time::Duration;

use mirrorplane::proto::envoy::config::core::v3::Node;
use mirrorplane::proto::envoy::service::discovery::v3::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use mirrorplane::proto::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DiscoveryRequest};
use mirrorplane::snapshot::ResourceType;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_stream::wrappers::ReceiverStream;

use super::rig::control_plane::ControlPlane;
use super::rig::eventually;
use super::rig::mesh::Mesh;
use super::rig::sidecar::Plane;
use super::rig::stage::{Stage, URL};

/// The names that a client of each type asks for.
fn names(ty: ResourceType) -> Vec<String> {
    let names: &[&str] = match ty {
        ResourceType::Cluster | ResourceType::Listener => &[],
        ResourceType::Endpoint => &["pipy/pipy-ok-v1|8080", "pipy/pipy-ok-v2|8080"],
        ResourceType::Route => &["outbound"],
        ResourceType::Runtime => &["mirrorplane"],
    };
    names.iter().map(ToString::to_string).collect()
}

fn node() -> Option<Node> {
    Some(Node {
        id: "curl/curl".to_owned(),
        ..Node::default()
    })
}

/// Something is changed while a client watches: what it is sent, by type, after its first configuration.
pub(crate) async fn responses_after(delta: bool, change: impl FnOnce(&Mesh)) -> Vec<ResourceType> {
    let mesh = Mesh::new(super::rig::free_address(), super::rig::free_address());
    let control_plane = ControlPlane::start(mesh.path()).await;
    let client =
        AggregatedDiscoveryServiceClient::connect(format!("http://{}", control_plane.address));
    let mut client = client.await.unwrap();
    let (received, mut responses) = mpsc::channel(64);
    if delta {
        let (requests, outbound) = mpsc::channel(64);
        for ty in ResourceType::ALL {
            let request = DeltaDiscoveryRequest {
                node: node(),
                type_url: ty.type_url().to_owned(),
                resource_names_subscribe: names(ty),
                ..Default::default()
            };
            requests.send(request).await.unwrap();
        }
        let mut stream = client
            .delta_aggregated_resources(ReceiverStream::new(outbound))
            .await
            .unwrap()
            .into_inner();
        tokio::spawn(async move {
            while let Ok(Some(response)) = stream.message().await {
                received.send(response.type_url.clone()).await.unwrap();
                let ack = DeltaDiscoveryRequest {
                    type_url: response.type_url,
                    response_nonce: response.nonce,
                    ..Default::default()
                };
                requests.send(ack).await.unwrap();
            }
        });
    } else {
        let (requests, outbound) = mpsc::channel(64);
        let request = |ty: ResourceType| DiscoveryRequest {
            node: node(),
            type_url: ty.type_url().to_owned(),
            resource_names: names(ty),
            ..Default::default()
        };
        for ty in ResourceType::ALL {
            requests.send(request(ty)).await.unwrap();
        }
        let mut stream = client
            .stream_aggregated_resources(ReceiverStream::new(outbound))
            .await
            .unwrap()
            .into_inner();
        tokio::spawn(async move {
            while let Ok(Some(response)) = stream.message().await {
                received.send(response.type_url.clone()).await.unwrap();
                let ty = ResourceType::from_type_url(&response.type_url).unwrap();
                let ack = DiscoveryRequest {
                    version_info: response.version_info,
                    response_nonce: response.nonce,
                    ..request(ty)
                };
                requests.send(ack).await.unwrap();
            }
        });
    }
    let mut first = drain(&mut responses).await;
    first.sort();
    first.dedup();
    assert_eq!(
        first,
        ResourceType::ALL,
        "delta={delta}: the first configuration is whole"
    );
    change(&mesh);
    drain(&mut responses).await
}

/// Everything that arrives until nothing has for a second.
async fn drain(responses: &mut mpsc::Receiver<String>) -> Vec<ResourceType> {
    let mut types = Vec::new();
    while let Ok(Some(url)) = timeout(Duration::from_secs(1), responses.recv()).await {
        types.push(ResourceType::from_type_url(&url).unwrap());
    }
    types
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_share_is_one_runtime_response_and_nothing_else() {
    for delta in [false, true] {
        assert_eq!(
            responses_after(delta, |mesh| mesh.share("0.5")).await,
            [ResourceType::Runtime],
            "delta={delta}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_share_has_its_effect_at_once_and_by_runtime_alone() {
    for plane in Plane::ALL {
        let Some(stage) = Stage::new(plane).await else {
            continue;
        };
        let before = stage.sidecar.structure().await;
        let mut caller = stage.caller().await;
        let start = Instant::now();
        stage.mesh.share("0");
        // Ten requests in a row without a copy: the new share is in effect.
        let mut uncopied = 0;
        while uncopied < 10 {
            let copies = stage.shadow.count();
            caller.call("GET", URL, b"").await.unwrap();
            tokio::time::sleep(Duration::from_millis(10)).await;
            uncopied = if stage.shadow.count() == copies {
                uncopied + 1
            } else {
                0
            };
            assert!(
                start.elapsed() < Duration::from_secs(10),
                "{stage}: still copied"
            );
        }
        let elapsed = start.elapsed();
        eprintln!("{stage}: a share changed in the file had its effect after {elapsed:?}");
        assert_eq!(stage.sidecar.structure().await, before, "{stage}");
        stage.assert_no_nack();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn switching_the_feature_off_and_on_changes_only_the_mirror() {
    for plane in Plane::ALL {
        let Some(stage) = Stage::new(plane).await else {
            continue;
        };
        for (from, to, copied) in [("true", "false", false), ("false", "true", true)] {
            stage.mesh.edit(
                "mirror.yaml",
                &format!("enablePluginPolicy: {from}"),
                &format!("enablePluginPolicy: {to}"),
            );
            eventually(format_args!("{stage}: the switch is {to}"), || async {
                let copies = stage.shadow.settled().await;
                let answer = stage.caller().await.call("GET", URL, b"").await.unwrap();
                assert_eq!(
                    answer.headers()["x-served-by"],
                    "v1",
                    "{stage}: the primary goes on"
                );
                ((stage.shadow.settled().await > copies) == copied).then_some(())
            })
            .await;
        }
        stage.assert_no_nack();
    }
}
