//! A sidecar that sees only the wire: it asks for clusters, and accepts whatever it is sent.

use mirrorplane::proto::envoy::config::core::v3::Node;
use mirrorplane::proto::envoy::service::discovery::v3::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use mirrorplane::proto::envoy::service::discovery::v3::{DiscoveryRequest, DiscoveryResponse};
use mirrorplane::snapshot::ResourceType;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Streaming};

use crate::rig::DEADLINE;

/// An open stream.
#[derive(Debug)]
pub(crate) struct Sidecar {
    /// How many clusters it was sent first.
    pub(crate) clusters: usize,
    _requests: mpsc::Sender<DiscoveryRequest>,
    _responses: Streaming<DiscoveryResponse>,
}

/// Asks as a node, with a token or without; how the stream ended, if nothing was sent.
pub(crate) async fn ask(address: &str, node: &str, token: Option<&str>) -> Result<Sidecar, Code> {
    let asked = async {
        let url = format!("http://{address}");
        let client = AggregatedDiscoveryServiceClient::connect(url).await;
        let (requests, outbound) = mpsc::channel(4);
        let first = DiscoveryRequest {
            node: Some(Node {
                id: node.to_owned(),
                ..Node::default()
            }),
            type_url: ResourceType::Cluster.type_url().to_owned(),
            ..DiscoveryRequest::default()
        };
        requests.send(first).await.unwrap();
        let mut request = Request::new(ReceiverStream::new(outbound));
        if let Some(token) = token {
            let value = format!("Bearer {token}").parse().unwrap();
            request.metadata_mut().insert("authorization", value);
        }
        let responses = client.unwrap().stream_aggregated_resources(request).await;
        let mut responses = responses.map_err(|status| status.code())?.into_inner();
        let first = responses.message().await.map_err(|status| status.code())?;
        Ok(Sidecar {
            clusters: first.expect("an answer").resources.len(),
            _requests: requests,
            _responses: responses,
        })
    };
    timeout(DEADLINE, asked).await.expect("an end in time")
}
