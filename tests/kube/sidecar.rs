//! A sidecar that sees only the wire, and asks for clusters.

use mirrorplane::proto::envoy::config::core::v3::Node;
use mirrorplane::proto::envoy::service::discovery::v3::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use mirrorplane::proto::envoy::service::discovery::v3::{DiscoveryRequest, DiscoveryResponse};
use mirrorplane::proto::google::rpc::Status;
use mirrorplane::snapshot::ResourceType;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Streaming};

use crate::rig::DEADLINE;

/// An open stream.
#[derive(Debug)]
pub(crate) struct Sidecar {
    /// How many clusters it was sent first.
    pub(crate) clusters: usize,
    first: DiscoveryResponse,
    requests: mpsc::Sender<DiscoveryRequest>,
    responses: Streaming<DiscoveryResponse>,
}

/// A stream that answers what it is sent; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Answering(JoinHandle<()>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Sidecar {
    /// From now on it accepts whatever it is sent, or rejects it.
    pub(crate) fn answering(self, accepts: bool) -> Answering {
        let Self {
            first,
            requests,
            mut responses,
            ..
        } = self;
        Answering(tokio::spawn(async move {
            let mut next = Ok(Some(first));
            while let Ok(Some(response)) = next {
                let refused = || Status {
                    code: Code::InvalidArgument as i32,
                    message: "not today".to_owned(),
                    details: Vec::new(),
                };
                let answer = DiscoveryRequest {
                    type_url: response.type_url,
                    response_nonce: response.nonce,
                    version_info: if accepts {
                        response.version_info
                    } else {
                        String::new()
                    },
                    error_detail: (!accepts).then(refused),
                    ..DiscoveryRequest::default()
                };
                if requests.send(answer).await.is_err() {
                    return;
                }
                next = responses.message().await;
            }
        }))
    }
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
        let first = first.expect("an answer");
        Ok(Sidecar {
            clusters: first.resources.len(),
            first,
            requests,
            responses,
        })
    };
    timeout(DEADLINE, asked).await.expect("an end in time")
}
