//! What requests see: one consistent state of the configuration, replaced as a whole.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::config::{Discovery, Endpoints, Listener, RouteTable};
use super::runtime::Runtime;
use super::state::State;
use super::stats::Stats;
use super::task::Tasks;
use super::upstream::Upstream;

/// The configuration at work.
#[derive(Debug, Default)]
pub(super) struct Plane {
    pub(super) listeners: BTreeMap<String, Listener>,
    /// Listeners that have all they need to serve.
    pub(super) warm: BTreeSet<String>,
    pub(super) routes: BTreeMap<String, Arc<RouteTable>>,
    pub(super) clusters: BTreeMap<String, Arc<Upstream>>,
    pub(super) runtime: Runtime,
}

impl Plane {
    /// The next state. A cluster that is as it was keeps its connections.
    pub(super) fn next(&self, state: &State, stats: &Stats, tasks: &Tasks) -> Self {
        let clusters = state.clusters.iter().map(|(name, cluster)| {
            let endpoints = match &cluster.discovery {
                Discovery::Eds(resource) => state.endpoints.get(resource).cloned(),
                Discovery::Host(..) | Discovery::Dynamic => None,
            };
            let endpoints = endpoints.unwrap_or_else(|| Endpoints::from([]));
            let upstream = match self.clusters.get(name) {
                Some(old) if old.cluster == *cluster && old.endpoints == endpoints => {
                    Arc::clone(old)
                }
                Some(old) if old.cluster == *cluster => Arc::new(old.with_endpoints(endpoints)),
                _ => {
                    let stats = stats.cluster(name);
                    Arc::new(Upstream::new(
                        Arc::clone(cluster),
                        endpoints,
                        stats,
                        tasks.clone(),
                    ))
                }
            };
            (name.clone(), upstream)
        });
        let warm = state
            .listeners
            .iter()
            .filter(|(_, listener)| state.is_warm(listener));
        Self {
            listeners: state.listeners.clone(),
            warm: warm.map(|(name, _)| name.clone()).collect(),
            routes: state.routes.clone(),
            clusters: clusters.collect(),
            runtime: state.runtime(),
        }
    }
}
