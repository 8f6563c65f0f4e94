//! What is counted of writing statuses.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// What is counted.
#[derive(Debug, Default)]
pub struct Counts {
    pub(super) writes: Counter,
    pub(super) leader: Gauge,
    pub(super) told: Counter,
}

impl Counts {
    /// Offers everything that is counted to a registry.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "status_writes",
            "Statuses of objects that this process has written",
            self.writes.clone(),
        );
        registry.register(
            "leader",
            "Whether this process is the one that writes statuses",
            self.leader.clone(),
        );
        registry.register(
            "sidecar_counts_told",
            "Times that this process has told the leader what its sidecars have",
            self.told.clone(),
        );
    }
}
