//! Counters, for tests and for the demo.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::ads::Kind;

/// Why a copy was not sent, or not to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DropReason {
    /// The copy's cluster is not known.
    NoCluster,
    /// The copy's cluster has no endpoint.
    NoEndpoint,
    /// The cluster's circuit breakers were open.
    Overflow,
    /// The target read more slowly than the caller wrote.
    BufferFull,
    /// The copy took longer than it may.
    Timeout,
    /// The request itself did not end.
    Aborted,
}

/// What happened with one cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterCounts {
    /// Requests of callers.
    pub requests: u64,
    /// Copies that were begun.
    pub copies: u64,
    /// Copies that were not sent to their end.
    pub dropped: BTreeMap<DropReason, u64>,
    /// Answers by class: 2 for 2xx.
    pub responses: BTreeMap<u16, u64>,
    /// Requests and copies without an answer, dropped copies excepted.
    pub failures: u64,
    /// Copies that were answered late, where the cluster says what that is.
    pub slow: u64,
}

/// What happened on the streams to the control plane.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdsCounts {
    /// Streams that were opened.
    pub streams: u64,
    /// Responses by type.
    pub responses: BTreeMap<Kind, u64>,
    /// Accepted responses by type.
    pub acks: BTreeMap<Kind, u64>,
    /// Rejected responses by type.
    pub nacks: BTreeMap<Kind, u64>,
    /// What the last rejection said.
    pub last_error: Option<String>,
}

/// All counters at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// By cluster. A cluster keeps its counters when it changes, and when it goes.
    pub clusters: BTreeMap<String, ClusterCounts>,
    /// Requests of the routes that are counted by themselves, by the name that Envoy gives them.
    pub routes: BTreeMap<String, u64>,
    /// Of the control plane.
    pub ads: AdsCounts,
}

impl Counts {
    /// The counters of a cluster; zero if it was never heard of.
    pub fn cluster(&self, name: &str) -> ClusterCounts {
        self.clusters.get(name).cloned().unwrap_or_default()
    }
}

/// The counters of one cluster.
#[derive(Debug, Default)]
pub(super) struct ClusterStats(Mutex<ClusterCounts>);

impl ClusterStats {
    pub(super) fn count(&self, change: impl FnOnce(&mut ClusterCounts)) {
        change(&mut locked(&self.0));
    }

    pub(super) fn counts(&self) -> ClusterCounts {
        locked(&self.0).clone()
    }

    pub(super) fn dropped(&self, reason: DropReason) {
        self.count(|counts| *counts.dropped.entry(reason).or_default() += 1);
    }
}

/// The counters of a shim.
#[derive(Debug, Default)]
pub(super) struct Stats {
    clusters: Mutex<BTreeMap<String, Arc<ClusterStats>>>,
    routes: Mutex<BTreeMap<String, u64>>,
    ads: Mutex<AdsCounts>,
}

impl Stats {
    pub(super) fn route(&self, name: &str) {
        let mut routes = locked(&self.routes);
        match routes.get_mut(name) {
            Some(count) => *count += 1,
            None => drop(routes.insert(name.to_owned(), 1)),
        }
    }

    pub(super) fn cluster(&self, name: &str) -> Arc<ClusterStats> {
        Arc::clone(locked(&self.clusters).entry(name.to_owned()).or_default())
    }

    pub(super) fn ads(&self, change: impl FnOnce(&mut AdsCounts)) {
        change(&mut locked(&self.ads));
    }

    pub(super) fn counts(&self) -> Counts {
        Counts {
            clusters: locked(&self.clusters)
                .iter()
                .map(|(name, stats)| (name.clone(), locked(&stats.0).clone()))
                .collect(),
            routes: locked(&self.routes).clone(),
            ads: locked(&self.ads).clone(),
        }
    }
}

/// A counter is valid after any of its changes, so a panic elsewhere does not spoil it.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
