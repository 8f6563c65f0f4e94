//! A raw sidecar: it answers what a test says, and nothing by itself.

use std::net::SocketAddr;

use mirrorplane::proto::envoy::config::core::v3 as core;
use mirrorplane::proto::envoy::service::cluster::v3::cluster_discovery_service_client::ClusterDiscoveryServiceClient;
use mirrorplane::proto::envoy::service::discovery::v3 as discovery;
use mirrorplane::proto::envoy::service::discovery::v3::DeltaDiscoveryRequest;
use mirrorplane::proto::envoy::service::discovery::v3::DeltaDiscoveryResponse;
use mirrorplane::proto::envoy::service::discovery::v3::DiscoveryRequest;
use mirrorplane::proto::envoy::service::discovery::v3::DiscoveryResponse;
use mirrorplane::proto::envoy::r#type::v3::SemanticVersion;
use mirrorplane::proto::google::rpc;
use mirrorplane::snapshot::ResourceType;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Channel;

use crate::plane::DEADLINE;

type AdsClient =
    discovery::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient<Channel>;

fn node(id: &str) -> Option<core::Node> {
    let build = core::BuildVersion {
        version: Some(SemanticVersion {
            major_number: 1,
            minor_number: 40,
            patch: 2,
        }),
        metadata: None,
    };
    let version = core::node::UserAgentVersionType::UserAgentBuildVersion(build);
    Some(core::Node {
        id: id.to_owned(),
        user_agent_name: "envoy".to_owned(),
        user_agent_version_type: Some(version),
        ..core::Node::default()
    })
}

fn error(message: &str) -> Option<rpc::Status> {
    Some(rpc::Status {
        code: 13,
        message: message.to_owned(),
        ..rpc::Status::default()
    })
}

async fn connect(server: SocketAddr) -> AdsClient {
    let client = AdsClient::connect(format!("http://{server}"));
    timeout(DEADLINE, client).await.unwrap().unwrap()
}

/// A stream of either variant.
pub(crate) struct Stream<Q, R> {
    node: String,
    requests: mpsc::Sender<Q>,
    responses: Streaming<R>,
}

pub(crate) type Sotw = Stream<DiscoveryRequest, DiscoveryResponse>;
pub(crate) type Delta = Stream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>;

impl<Q, R> Stream<Q, R> {
    /// The next response.
    pub(crate) async fn next(&mut self) -> R {
        let next = timeout(DEADLINE, self.responses.message()).await;
        next.unwrap().unwrap().expect("the stream is open")
    }

    /// Says that there will be no more requests, and waits for the end.
    pub(crate) async fn half_close(mut self) {
        drop(self.requests);
        let ends = async { while self.responses.message().await.unwrap().is_some() {} };
        timeout(DEADLINE, ends).await.unwrap();
    }

    async fn send(&self, request: Q) {
        let sent = timeout(DEADLINE, self.requests.send(request)).await;
        assert!(sent.unwrap().is_ok(), "the stream is open");
    }
}

impl Sotw {
    pub(crate) async fn open(server: SocketAddr, id: &str) -> Self {
        let (requests, outbound) = mpsc::channel(16);
        let outbound = ReceiverStream::new(outbound);
        let mut client = connect(server).await;
        let stream = client.stream_aggregated_resources(outbound).await;
        Self {
            node: id.to_owned(),
            requests,
            responses: stream.unwrap().into_inner(),
        }
    }

    /// A stream of the service that knows clusters alone.
    pub(crate) async fn of_clusters(server: SocketAddr, id: &str) -> Self {
        let (requests, outbound) = mpsc::channel(16);
        let client = ClusterDiscoveryServiceClient::connect(format!("http://{server}"));
        let mut client = timeout(DEADLINE, client).await.unwrap().unwrap();
        let stream = client.stream_clusters(ReceiverStream::new(outbound)).await;
        Self {
            node: id.to_owned(),
            requests,
            responses: stream.unwrap().into_inner(),
        }
    }

    /// Subscribes to everything of a type.
    pub(crate) async fn ask(&self, ty: ResourceType) {
        self.ask_for(ty, &[], "").await;
    }

    /// Subscribes to names of a type, and accepts the response with this nonce.
    pub(crate) async fn ask_for(&self, ty: ResourceType, names: &[&str], nonce: &str) {
        self.send(DiscoveryRequest {
            node: node(&self.node),
            type_url: ty.type_url().to_owned(),
            resource_names: names.iter().map(|name| (*name).to_owned()).collect(),
            response_nonce: nonce.to_owned(),
            ..DiscoveryRequest::default()
        })
        .await;
    }

    /// Accepts a response, or says why not.
    pub(crate) async fn answer(&self, response: &DiscoveryResponse, why_not: Option<&str>) {
        self.send(DiscoveryRequest {
            type_url: response.type_url.clone(),
            response_nonce: response.nonce.clone(),
            version_info: response.version_info.clone(),
            error_detail: why_not.and_then(error),
            ..DiscoveryRequest::default()
        })
        .await;
    }
}

impl Delta {
    pub(crate) async fn open(server: SocketAddr, id: &str) -> Self {
        let (requests, outbound) = mpsc::channel(16);
        let outbound = ReceiverStream::new(outbound);
        let mut client = connect(server).await;
        let stream = client.delta_aggregated_resources(outbound).await;
        Self {
            node: id.to_owned(),
            requests,
            responses: stream.unwrap().into_inner(),
        }
    }

    /// Subscribes to names of a type.
    pub(crate) async fn ask(&self, ty: ResourceType, names: &[&str]) {
        self.send(DeltaDiscoveryRequest {
            node: node(&self.node),
            type_url: ty.type_url().to_owned(),
            resource_names_subscribe: names.iter().map(|name| (*name).to_owned()).collect(),
            ..DeltaDiscoveryRequest::default()
        })
        .await;
    }

    /// Accepts a response, or says why not.
    pub(crate) async fn answer(&self, response: &DeltaDiscoveryResponse, why_not: Option<&str>) {
        self.send(DeltaDiscoveryRequest {
            type_url: response.type_url.clone(),
            response_nonce: response.nonce.clone(),
            error_detail: why_not.and_then(error),
            ..DeltaDiscoveryRequest::default()
        })
        .await;
    }
}
