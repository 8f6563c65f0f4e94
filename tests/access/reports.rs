//! Load reports: who is asked for what, and whose word counts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mirrorplane::access::Refusal;
use mirrorplane::model::GroupId;
use mirrorplane::proto::envoy::config::core::v3::Node;
use mirrorplane::proto::envoy::config::endpoint::v3::{ClusterStats, UpstreamLocalityStats};
use mirrorplane::proto::envoy::service::load_stats::v3::load_reporting_service_client::LoadReportingServiceClient;
use mirrorplane::proto::envoy::service::load_stats::v3::{LoadStatsRequest, LoadStatsResponse};
use mirrorplane::server::{Load, Wanted};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Streaming};

use crate::rig::{Asks, Client, DEADLINE, Server};

const TOKEN: &str = "0123456789abcdef";
const TOKENS: &str = "0123456789abcdef curl/curl\n";

/// A node that reports.
struct Reporter {
    requests: mpsc::Sender<LoadStatsRequest>,
    responses: Streaming<LoadStatsResponse>,
}

impl Reporter {
    async fn open(client: &Client, node: &str) -> Result<Self, Code> {
        let mut service = LoadReportingServiceClient::new(client.connect().await.unwrap());
        let (requests, outbound) = mpsc::channel(4);
        let first = LoadStatsRequest {
            node: Some(Node {
                id: node.to_owned(),
                ..Node::default()
            }),
            cluster_stats: Vec::new(),
        };
        requests.send(first).await.unwrap();
        let request = client.request(ReceiverStream::new(outbound));
        let responses = service.stream_load_stats(request).await;
        let responses = responses.map_err(|status| status.code())?.into_inner();
        Ok(Self {
            requests,
            responses,
        })
    }

    /// Of which clusters it is asked; `None` if the stream has ended.
    async fn asked(&mut self) -> Result<Option<Vec<String>>, Code> {
        let next = timeout(DEADLINE, self.responses.message()).await;
        let next = next.expect("in time").map_err(|status| status.code())?;
        Ok(next.map(|response| response.clusters))
    }

    async fn report(&self, clusters: &[&str]) {
        let stats = |name: &&str| ClusterStats {
            cluster_name: (*name).to_owned(),
            upstream_locality_stats: vec![
                UpstreamLocalityStats {
                    total_successful_requests: 2,
                    total_issued_requests: 3,
                    ..UpstreamLocalityStats::default()
                },
                UpstreamLocalityStats {
                    total_error_requests: 1,
                    total_requests_in_progress: 1,
                    ..UpstreamLocalityStats::default()
                },
            ],
            ..ClusterStats::default()
        };
        let request = LoadStatsRequest {
            node: None,
            cluster_stats: clusters.iter().map(stats).collect(),
        };
        self.requests.send(request).await.unwrap();
    }
}

fn wanted(node: &str, clusters: &[&str]) -> Wanted {
    let group = GroupId::new("group");
    let clusters: Vec<_> = clusters.iter().map(ToString::to_string).collect();
    Wanted {
        nodes: Arc::new([(node.parse().unwrap(), group.clone())].into()),
        clusters: [(group, clusters)].into(),
        interval: Duration::from_secs(1),
    }
}

#[tokio::test]
async fn nobody_reports_for_a_node_that_it_may_not_be() {
    let server = Server::start(Asks::Token, TOKENS).await;
    server.stats.loads().want(wanted("curl/other", &["a"]));
    let none = Reporter::open(&server.client(), "curl/curl").await;
    assert_eq!(none.err(), Some(Code::Unauthenticated));
    server.has_refused(Refusal::NoCredential, 1).await;
    let other = Reporter::open(&server.client().token(TOKEN), "curl/other").await;
    let refused = other.unwrap().asked().await;
    assert_eq!(refused, Err(Code::PermissionDenied));
    server.has_refused(Refusal::OtherNode, 1).await;
    assert!(server.stats.loads().reporting().is_empty());
    assert_eq!(server.stats.loads().total(), BTreeMap::new());
}

#[tokio::test]
async fn what_is_asked_for_is_counted_and_nothing_else() {
    let server = Server::start(Asks::Token, TOKENS).await;
    let loads = server.stats.loads();
    let client = server.client().token(TOKEN);
    let mut reporter = Reporter::open(&client, "curl/curl").await.unwrap();
    // As long as nothing is wanted of it, nothing is said.
    loads.want(wanted("curl/other", &["a"]));
    let silence = timeout(Duration::from_millis(300), reporter.asked()).await;
    assert!(silence.is_err(), "{silence:?}");
    loads.want(wanted("curl/curl", &["a"]));
    assert_eq!(reporter.asked().await, Ok(Some(vec!["a".to_owned()])));
    reporter.report(&["a", "b"]).await;
    let load = Load {
        ok: 2,
        failed: 1,
        issued: 3,
        active: 1,
        ..Load::default()
    };
    let counted = timeout(DEADLINE, async {
        while loads.total().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        loads.total()
    });
    assert_eq!(counted.await.unwrap(), [("a".to_owned(), load)].into());
    loads.want(wanted("curl/curl", &["a", "c"]));
    let both = vec!["a".to_owned(), "c".to_owned()];
    assert_eq!(reporter.asked().await, Ok(Some(both)));
    // Nothing any more: the stream ends, so that it does not go on to report nothing.
    loads.want(Wanted::default());
    assert_eq!(reporter.asked().await, Ok(None));
}
