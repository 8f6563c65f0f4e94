//! How the source stands with the Kubernetes API, for metrics.

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::cluster::Cluster;

/// Kind and API group.
type Labels = [(&'static str, &'static str); 2];

/// What is counted of each kind. There is nothing to count while a folder is read.
#[derive(Debug, Default)]
pub struct Standing {
    connected: Family<Labels, Gauge>,
    objects: Family<Labels, Gauge>,
}

impl Standing {
    /// Offers everything that is counted to a registry.
    pub fn register(&self, registry: &mut Registry) {
        let source = registry.sub_registry_with_prefix("source");
        source.register(
            "connected",
            "1 while the Kubernetes API answers about a kind, 0 while what was read last is served",
            self.connected.clone(),
        );
        source.register(
            "objects",
            "Objects of a kind that are known, from the Kubernetes API",
            self.objects.clone(),
        );
    }

    /// Counts what is known.
    pub(super) fn note(&self, cluster: &Cluster) {
        for (row, connected, objects) in cluster.feeds() {
            let labels = [("kind", row.name), ("group", row.group)];
            let connected = i64::from(connected);
            self.connected.get_or_create(&labels).set(connected);
            let objects = i64::try_from(objects).unwrap_or(i64::MAX);
            self.objects.get_or_create(&labels).set(objects);
        }
    }
}
