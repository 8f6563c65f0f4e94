//! A sidecar that reports how its copies fare.

use mirrorplane::proto::envoy::config::core::v3::Node;
use mirrorplane::proto::envoy::config::endpoint::v3::{ClusterStats, UpstreamLocalityStats};
use mirrorplane::proto::envoy::service::load_stats::v3::load_reporting_service_client::LoadReportingServiceClient;
use mirrorplane::proto::envoy::service::load_stats::v3::{LoadStatsRequest, LoadStatsResponse};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use crate::serve::Serve;

/// Who it is.
pub(super) const NODE: &str = "curl/curl";
/// Where its copies go.
const SHADOW: &str = "shadow|curl/traffic-mirror-config|pipy/pipy-ok-v2|8080";

/// Its stream, which is open as long as the value.
pub(super) struct Reporter {
    requests: mpsc::Sender<LoadStatsRequest>,
    first: LoadStatsRequest,
    _responses: Streaming<LoadStatsResponse>,
}

impl Reporter {
    /// One that was asked to report; also how often, in seconds.
    pub(super) async fn asked(at: &Serve) -> (Self, i64) {
        let client = LoadReportingServiceClient::connect(format!("http://{}", at.address)).await;
        let mut client = client.unwrap();
        let (requests, outbound) = mpsc::channel(4);
        let first = LoadStatsRequest {
            node: Some(Node {
                id: NODE.to_owned(),
                ..Node::default()
            }),
            cluster_stats: Vec::new(),
        };
        requests.send(first.clone()).await.unwrap();
        let stream = client.stream_load_stats(ReceiverStream::new(outbound));
        let mut responses = stream.await.unwrap().into_inner();
        let asked = responses.message().await.unwrap().unwrap();
        assert_eq!(asked.clusters, [SHADOW]);
        let reporter = Self {
            requests,
            first,
            _responses: responses,
        };
        (reporter, asked.load_reporting_interval.unwrap().seconds)
    }

    /// Reports this of its copies; whether anybody listens.
    pub(super) async fn report(&self, copies: UpstreamLocalityStats) -> bool {
        let mut loads = self.first.clone();
        loads.cluster_stats.push(ClusterStats {
            cluster_name: SHADOW.to_owned(),
            upstream_locality_stats: vec![copies],
            ..ClusterStats::default()
        });
        self.requests.send(loads).await.is_ok()
    }
}
