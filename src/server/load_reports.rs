//! The load reporting service: sidecars say what became of the requests to clusters.
//!
//! The server's side of it (`envoy/service/load_stats/v3/lrs.proto`). The client opens the stream and says who it is; the
//! server says of which clusters it wants reports, and how often. As long as it says nothing, nothing is reported. A client
//! reports for the node that it may be, and for no other; what it was not asked about is not looked at.
//!
//! What Envoy 1.40 reports of a cluster of copies, as measured, ten copies each:
//!
//! | The shadow | `total_successful_requests` | `total_error_requests` | `total_issued_requests` |
//! |---|---|---|---|
//! | answers with 200, or with 404 | 10 | 0 | 10 |
//! | answers with 500 | 0 | 10 | 10 |
//! | refuses connections | 0 | 10 | 0 |
//! | resets connections, or does not answer in time | 0 | 0 | 10 |
//! | is at its limit of copies at once | | some | dropped, not issued |
//! | has no endpoint | | | nothing is reported |
//!
//! Of time it reports nothing. A cluster whose filters set the header by which servers tell their load (`endpoint-load-metrics`)
//! has the sum of what they set beside these, of all answers; here 1 of each that is slow.
//!
//! Its counters are not read at the same instant: more may be answered and in progress than were issued, until the next
//! report. Every report has the whole node in it, 61 kB; so it is not asked for more often than it has to be.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Request;
use tonic::Response;
use tonic::Status;
use tonic::Streaming;

use super::gate::Gate;
use super::gate::Guest;
use super::loads::Load;
use super::loads::Loads;
use super::node::Node;
use crate::proto::envoy::config::endpoint::v3::ClusterStats;
use crate::proto::envoy::service::load_stats::v3 as lrs;
use crate::proto::envoy::service::load_stats::v3::load_reporting_service_server as grpc;

/// The metric of slow answers: the only one that anybody is made to report.
const SLOW: &str = "named_metrics.slow";

/// The service of one server.
#[derive(Debug)]
pub(super) struct LoadReports {
    pub(super) gate: Arc<Gate>,
    pub(super) loads: Arc<Loads>,
}

type Answer = Result<lrs::LoadStatsResponse, Status>;

#[tonic::async_trait]
impl grpc::LoadReportingService for LoadReports {
    type StreamLoadStatsStream = ReceiverStream<Answer>;

    async fn stream_load_stats(
        &self,
        request: Request<Streaming<lrs::LoadStatsRequest>>,
    ) -> Result<Response<Self::StreamLoadStatsStream>, Status> {
        let guest = self
            .gate
            .enter(request.metadata().as_ref(), request.extensions())
            .guest()
            .await?;
        let (responses, outbound) = mpsc::channel(1);
        let loads = Arc::clone(&self.loads);
        tokio::spawn(async move {
            let ended = responses.clone();
            let listening = listen(&guest, &loads, request.into_inner(), &responses);
            tokio::select! {
                result = listening => {
                    if let Err(status) = result {
                        // A client that is gone need not be told.
                        responses.send(Err(status)).await.ok();
                    }
                }
                () = ended.closed() => {}
            }
        });
        Ok(Response::new(ReceiverStream::new(outbound)))
    }
}

/// Asks and listens until the stream is to end.
async fn listen(
    guest: &Guest,
    loads: &Arc<Loads>,
    mut requests: Streaming<lrs::LoadStatsRequest>,
    responses: &mpsc::Sender<Answer>,
) -> Result<(), Status> {
    let Some(first) = requests.message().await? else {
        return Ok(());
    };
    let node = Node::new(&first.node.unwrap_or_default());
    guest.identify(&node)?;
    let reporter = loads.open(Arc::clone(&node.key));
    let mut wanted = loads.wanted();
    let mut asked = (Vec::new(), Duration::ZERO);
    loop {
        let next = {
            let wanted = wanted.borrow_and_update();
            let clusters = node.name().map(|name| wanted.of(name).to_vec());
            (clusters.unwrap_or_default(), wanted.interval)
        };
        if next.0.is_empty() && !asked.0.is_empty() {
            // Asked about nothing a sidecar would go on sending reports of nothing. It comes again, and waits.
            return Ok(());
        }
        if !next.0.is_empty() && next != asked {
            let response = lrs::LoadStatsResponse {
                clusters: next.0.clone(),
                load_reporting_interval: duration(next.1),
                ..lrs::LoadStatsResponse::default()
            };
            asked = next;
            if responses.send(Ok(response)).await.is_err() {
                return Ok(());
            }
        }
        tokio::select! {
            request = requests.message() => {
                let Some(request) = request? else {
                    return Ok(());
                };
                for stats in &request.cluster_stats {
                    if asked.0.contains(&stats.cluster_name) {
                        reporter.report(&stats.cluster_name, &load(stats));
                    }
                }
            }
            Ok(()) = wanted.changed() => {}
        }
    }
}

fn duration(of: Duration) -> Option<crate::proto::google::protobuf::Duration> {
    Some(crate::proto::google::protobuf::Duration {
        seconds: i64::try_from(of.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(of.subsec_nanos()).unwrap_or_default(),
    })
}

/// The sum over the places that a cluster has endpoints in.
fn load(stats: &ClusterStats) -> Load {
    let mut sum = Load {
        dropped: stats.total_dropped_requests,
        ..Load::default()
    };
    for one in &stats.upstream_locality_stats {
        sum.add(&Load {
            ok: one.total_successful_requests,
            failed: one.total_error_requests,
            issued: one.total_issued_requests,
            active: one.total_requests_in_progress,
            ..Load::default()
        });
        let metrics = one.load_metric_stats.iter();
        for metric in metrics.filter(|metric| metric.metric_name == SLOW) {
            sum.add(&Load {
                timed: metric.num_requests_finished_with_metric,
                // A sum of ones and zeros; a cast makes a number of whatever somebody sends.
                slow: metric.total_metric_value as u64,
                ..Load::default()
            });
        }
    }
    sum
}
