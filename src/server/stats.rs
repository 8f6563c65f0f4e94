//! What is counted: the one place that counts, cheap to count and cheap to read.
//!
//! The series of every type and variant are made at the start, so that counting looks nothing up, and a series is there
//! before its first event.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use prometheus_client::registry::Unit;

use super::loads::Loads;
use super::refusals::Refusals;
use super::roster::Member;
use super::roster::Roster;
use super::roster::Sidecar;
use super::stream::Variant;
use super::trials::Trials;
use super::trials::Verdict;
use crate::access::Refusal;
use crate::snapshot::Instance;
use crate::snapshot::ResourceType;

/// Upper bounds, in seconds, of the time from a push to its ACK. A sidecar on the same machine needs a millisecond or
/// two; one that warms clusters takes up to 15 seconds.
const ACK_SECONDS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0,
];

type Label = [(&'static str, &'static str); 1];

/// Counters of one server, and the clients that it has now.
#[derive(Debug)]
pub struct Stats {
    roster: Arc<Roster>,
    trials: Trials,
    loads: Arc<Loads>,
    refusals: Arc<Refusals>,
    open: PerVariant<Gauge>,
    opened: PerVariant<Counter>,
    pushed: PerType<Counter>,
    bytes: PerType<Counter>,
    acked: PerType<Counter>,
    nacked: PerType<Counter>,
    stale: PerType<Counter>,
    answered: PerType<Histogram>,
    refused: Labelled<Counter, { Refusal::ALL.len() }>,
}

/// A metric with a label of few values that are known beforehand.
#[derive(Debug)]
struct Labelled<M, const N: usize> {
    family: Family<Label, M>,
    each: [M; N],
}

type PerType<M> = Labelled<M, { ResourceType::ALL.len() }>;
type PerVariant<M> = Labelled<M, { Variant::ALL.len() }>;

impl<M: Clone, const N: usize> Labelled<M, N> {
    fn new(key: &'static str, values: [&'static str; N], metric: fn() -> M) -> Self {
        let family = Family::new_with_constructor(metric);
        let each = values.map(|value| family.get_or_create_owned(&[(key, value)]));
        Self { family, each }
    }
}

fn per_type<M: Clone>(metric: fn() -> M) -> PerType<M> {
    Labelled::new(
        "type",
        ResourceType::ALL.map(ResourceType::short_name),
        metric,
    )
}

fn per_variant<M: Clone>(metric: fn() -> M) -> PerVariant<M> {
    Labelled::new("variant", Variant::ALL.map(Variant::as_str), metric)
}

impl<M> PerType<M> {
    fn of(&self, ty: ResourceType) -> &M {
        &self.each[ty as usize]
    }
}

impl Default for Stats {
    fn default() -> Self {
        Self {
            roster: Arc::default(),
            trials: Trials::default(),
            loads: Arc::default(),
            refusals: Arc::default(),
            open: per_variant(Gauge::default),
            opened: per_variant(Counter::default),
            pushed: per_type(Counter::default),
            bytes: per_type(Counter::default),
            acked: per_type(Counter::default),
            nacked: per_type(Counter::default),
            stale: per_type(Counter::default),
            answered: per_type(|| Histogram::new(ACK_SECONDS)),
            refused: Labelled::new("reason", Refusal::ALL.map(Refusal::label), Counter::default),
        }
    }
}

impl Stats {
    /// Offers everything that is counted to a registry.
    pub fn register(&self, registry: &mut Registry) {
        self.roster.register(registry);
        registry.register(
            "quarantine_refused_calls",
            "Calls that sidecars of this control plane refused to those in quarantine",
            self.refusals.metric(),
        );
        let xds = registry.sub_registry_with_prefix("xds");
        xds.register(
            "streams",
            "ADS streams that are open now",
            self.open.family.clone(),
        );
        xds.register(
            "streams_opened",
            "ADS streams that were ever opened",
            self.opened.family.clone(),
        );
        xds.register(
            "pushes",
            "Responses sent to sidecars",
            self.pushed.family.clone(),
        );
        xds.register_with_unit(
            "sent",
            "Size of the responses sent to sidecars, without framing",
            Unit::Bytes,
            self.bytes.family.clone(),
        );
        xds.register(
            "refusals",
            "Clients that were turned away before anything was sent to them",
            self.refused.family.clone(),
        );
        xds.register(
            "acks",
            "Responses that sidecars accepted",
            self.acked.family.clone(),
        );
        xds.register(
            "nacks",
            "Responses that sidecars rejected",
            self.nacked.family.clone(),
        );
        xds.register(
            "stale_nonces",
            "Requests that were ignored because they answer an older response than the last",
            self.stale.family.clone(),
        );
        xds.register_with_unit(
            "push_ack_duration",
            "Time from a response to its acceptance by the sidecar",
            Unit::Seconds,
            self.answered.family.clone(),
        );
    }

    /// The clients that said who they are, in the order of their ids.
    pub fn sidecars(&self) -> Vec<Sidecar> {
        self.roster.list()
    }

    pub(super) fn roster(&self) -> &Arc<Roster> {
        &self.roster
    }

    /// The sidecars that could try a configuration for others.
    pub(crate) fn crowd(&self) -> Vec<Member> {
        self.roster.crowd()
    }

    /// What sidecars report of the requests to clusters.
    pub fn loads(&self) -> &Arc<Loads> {
        &self.loads
    }

    /// What sidecars refused to those in quarantine.
    pub fn refusals(&self) -> &Arc<Refusals> {
        &self.refusals
    }

    /// The trials of configurations.
    pub(crate) fn trials(&self) -> &Trials {
        &self.trials
    }

    /// What a sidecar makes of a trial in which resources of these types changed.
    pub(crate) fn verdict(
        &self,
        trial: u64,
        sidecar: &Instance,
        changed: &BTreeSet<ResourceType>,
    ) -> Verdict {
        let connected = self.roster.streams(sidecar);
        self.trials.verdict(trial, sidecar, connected, changed)
    }

    /// Streams that are open now.
    pub fn streams_open(&self) -> u64 {
        let open = self.open.each.iter().map(|gauge| gauge.get());
        open.map(i64::unsigned_abs).sum()
    }

    /// Streams that were ever opened.
    pub fn streams_total(&self) -> u64 {
        self.opened.each.iter().map(|counter| counter.get()).sum()
    }

    /// Responses of a type that were sent.
    pub fn pushed(&self, ty: ResourceType) -> u64 {
        self.pushed.of(ty).get()
    }

    /// Responses of a type that a client accepted.
    pub fn acked(&self, ty: ResourceType) -> u64 {
        self.acked.of(ty).get()
    }

    /// Responses of a type that a client rejected.
    pub fn nacked(&self, ty: ResourceType) -> u64 {
        self.nacked.of(ty).get()
    }

    /// Clients that were turned away for a reason; nothing was sent to them.
    pub fn refused(&self, reason: Refusal) -> u64 {
        self.refused.each[reason as usize].get()
    }

    pub(super) fn count_refusal(&self, reason: Refusal) {
        self.refused.each[reason as usize].inc();
    }

    /// Counts a response of so many bytes.
    pub(super) fn count_push(&self, ty: ResourceType, bytes: usize) {
        self.pushed.of(ty).inc();
        self.bytes.of(ty).inc_by(bytes as u64);
    }

    /// Counts an acceptance, and how long it took if that is known.
    pub(super) fn count_ack(&self, ty: ResourceType, after: Option<Duration>) {
        if let Some(after) = after {
            self.answered.of(ty).observe(after.as_secs_f64());
        }
        self.acked.of(ty).inc();
    }

    pub(super) fn count_nack(&self, ty: ResourceType) {
        self.nacked.of(ty).inc();
    }

    pub(super) fn count_stale(&self, ty: ResourceType) {
        self.stale.of(ty).inc();
    }

    /// Counts a stream as open until the value is dropped.
    pub(super) fn open_stream(self: &Arc<Self>, variant: Variant) -> OpenStream {
        let open = self.open.each[variant as usize].clone();
        open.inc();
        self.opened.each[variant as usize].inc();
        OpenStream(open)
    }
}

/// An open stream.
#[derive(Debug)]
pub(super) struct OpenStream(Gauge);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::Stats;
    use crate::server::stream::Variant;
    use crate::snapshot::ResourceType;

    #[test]
    fn types_are_counted_apart() {
        let stats = Stats::default();
        for (times, ty) in ResourceType::ALL.into_iter().enumerate() {
            for _ in 0..times {
                stats.count_push(ty, 100);
            }
        }
        let read = ResourceType::ALL.map(|ty| stats.pushed(ty));
        assert_eq!(read, [0, 1, 2, 3, 4]);
        assert_eq!(stats.acked(ResourceType::Runtime), 0);
    }

    #[test]
    fn a_stream_is_open_until_it_is_dropped() {
        let stats = Arc::new(Stats::default());
        let stream = stats.open_stream(Variant::Delta);
        assert_eq!((stats.streams_open(), stats.streams_total()), (1, 1));
        drop(stream);
        assert_eq!((stats.streams_open(), stats.streams_total()), (0, 1));
    }

    #[test]
    fn every_series_is_there_before_its_first_event() {
        let stats = Stats::default();
        let mut registry = Registry::with_prefix("mirrorplane");
        stats.register(&mut registry);
        stats.count_push(ResourceType::Route, 17);
        stats.count_ack(ResourceType::Route, Some(Duration::from_millis(2)));
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for line in [
            "mirrorplane_xds_pushes_total{type=\"rds\"} 1",
            "mirrorplane_xds_pushes_total{type=\"cds\"} 0",
            "mirrorplane_xds_sent_bytes_total{type=\"rds\"} 17",
            "mirrorplane_xds_streams{variant=\"sotw\"} 0",
            "mirrorplane_xds_push_ack_duration_seconds_bucket{le=\"0.0025\",type=\"rds\"} 1",
            "mirrorplane_xds_stale_nonces_total{type=\"rtds\"} 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
