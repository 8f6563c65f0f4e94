//! Tells the control plane what became of the copies, if it asks: load reports.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio::time::sleep_until;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Request;

use super::ads::connect::connect;
use super::bootstrap::Bootstrap;
use super::config::SLOW_METRIC;
use super::stats::ClusterCounts;
use super::stats::DropReason;
use super::stats::Stats;
use crate::proto::envoy::config::core::v3::Node;
use crate::proto::envoy::config::endpoint::v3::ClusterStats;
use crate::proto::envoy::config::endpoint::v3::EndpointLoadMetricStats;
use crate::proto::envoy::config::endpoint::v3::UpstreamLocalityStats;
use crate::proto::envoy::service::load_stats::v3 as lrs;
use crate::proto::envoy::service::load_stats::v3::load_reporting_service_client::LoadReportingServiceClient;

/// Between two tries.
const PAUSE: Duration = Duration::from_secs(1);

/// Reports for ever, whenever somebody wants it.
pub(super) async fn run(bootstrap: Bootstrap, node: Node, stats: Arc<Stats>) {
    for endpoint in bootstrap.control_plane.iter().cycle() {
        if let Err(error) = stream(&bootstrap, endpoint, &node, &stats).await {
            tracing::debug!(endpoint, %error, "no load reports");
        }
        sleep(PAUSE.mul_f64(0.5 + fastrand::f64())).await;
    }
}

async fn stream(
    bootstrap: &Bootstrap,
    endpoint: &str,
    node: &Node,
    stats: &Stats,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let channel = connect(bootstrap, endpoint).await?;
    let (requests, outgoing) = mpsc::channel(1);
    let first = lrs::LoadStatsRequest {
        node: Some(node.clone()),
        cluster_stats: Vec::new(),
    };
    requests.send(first.clone()).await?;
    let mut request = Request::new(ReceiverStream::new(outgoing));
    let headers = bootstrap.load_reports.iter().flatten();
    for (key, value) in headers.cloned() {
        request.metadata_mut().append(key, value);
    }
    if let Some(injected) = &bootstrap.injected {
        let (key, value) = injected.read().await?;
        request.metadata_mut().insert(key, value);
    }
    let mut client = LoadReportingServiceClient::new(channel);
    let mut responses = client.stream_load_stats(request).await?.into_inner();
    let mut asked: Option<(Vec<String>, Duration)> = None;
    let mut told: BTreeMap<String, Told> = BTreeMap::new();
    let mut due = tokio::time::Instant::now();
    loop {
        let interval = asked.as_ref().map(|(_, interval)| *interval);
        tokio::select! {
            response = responses.message() => {
                let Some(response) = response? else { return Ok(()) };
                let every = response.load_reporting_interval.unwrap_or_default();
                let seconds = u64::try_from(every.seconds).unwrap_or_default();
                let nanos = u32::try_from(every.nanos).unwrap_or_default();
                let every = Duration::new(seconds, nanos).max(Duration::from_millis(100));
                told.retain(|name, _| response.clusters.contains(name));
                for name in &response.clusters {
                    // What was before somebody asked is not reported.
                    told.entry(name.clone())
                        .or_insert_with(|| Told::of(&stats.cluster(name).counts()));
                }
                due = tokio::time::Instant::now() + every;
                asked = Some((response.clusters, every));
            }
            () = sleep_until(due), if interval.is_some() => {
                due += interval.unwrap_or(PAUSE);
                let mut request = first.clone();
                for (name, before) in &mut told {
                    let now = Told::of(&stats.cluster(name).counts());
                    request.cluster_stats.push(now.since(before, name));
                    *before = now;
                }
                requests.send(request).await?;
            }
        }
    }
}

/// What there is to say of a cluster, as Envoy counts it: an answer of 500 or above is an error, and what was sent and got no
/// answer is neither that nor a success.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Told {
    ok: u64,
    errors: u64,
    issued: u64,
    active: u64,
    slow: u64,
}

impl Told {
    fn of(counts: &ClusterCounts) -> Self {
        let dropped = |reason| counts.dropped.get(&reason).copied().unwrap_or_default();
        let answered = |is_error: bool| -> u64 {
            let classes = counts.responses.iter();
            classes
                .filter(|(class, _)| (**class >= 5) == is_error)
                .map(|(_, count)| count)
                .sum()
        };
        let begun = counts.copies.saturating_add(counts.requests);
        // Those never had a shadow to blame.
        let unsent = [
            DropReason::NoEndpoint,
            DropReason::BufferFull,
            DropReason::Aborted,
        ];
        let unsent: u64 = unsent.into_iter().map(dropped).sum();
        let (ok, errors) = (answered(false), answered(true));
        let issued = begun.saturating_sub(unsent);
        let ended = ok + errors + counts.failures + dropped(DropReason::Timeout);
        Self {
            ok,
            errors,
            issued,
            active: issued.saturating_sub(ended),
            slow: counts.slow,
        }
    }

    /// The sum of slow answers, if there were any, as the script of an Envoy would have it.
    fn metrics(&self, before: &Self) -> Vec<EndpointLoadMetricStats> {
        let answered = |told: &Self| told.ok.saturating_add(told.errors);
        let answers = answered(self).saturating_sub(answered(before));
        let metric = (answers > 0).then(|| EndpointLoadMetricStats {
            metric_name: SLOW_METRIC.to_owned(),
            num_requests_finished_with_metric: answers,
            total_metric_value: self.slow.saturating_sub(before.slow) as f64,
        });
        metric.into_iter().collect()
    }

    fn since(&self, before: &Self, name: &str) -> ClusterStats {
        ClusterStats {
            cluster_name: name.to_owned(),
            upstream_locality_stats: vec![UpstreamLocalityStats {
                total_successful_requests: self.ok.saturating_sub(before.ok),
                total_error_requests: self.errors.saturating_sub(before.errors),
                total_issued_requests: self.issued.saturating_sub(before.issued),
                total_requests_in_progress: self.active,
                load_metric_stats: self.metrics(before),
                ..UpstreamLocalityStats::default()
            }],
            ..ClusterStats::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::Told;
    use crate::shim::stats::ClusterCounts;
    use crate::shim::stats::DropReason;

    #[test]
    fn what_was_sent_and_not_answered_is_neither_success_nor_error() {
        let counts = ClusterCounts {
            requests: 0,
            copies: 20,
            dropped: BTreeMap::from([
                (DropReason::Overflow, 7),
                (DropReason::Timeout, 3),
                (DropReason::BufferFull, 2),
            ]),
            responses: BTreeMap::from([(2, 5), (4, 1), (5, 4)]),
            failures: 2,
            slow: 1,
        };
        let told = Told {
            ok: 6,
            errors: 4,
            issued: 18,
            active: 3,
            slow: 1,
        };
        assert_eq!(Told::of(&counts), told);
    }
}
