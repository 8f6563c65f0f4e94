//! What sidecars report of the requests to their clusters, and of which clusters they are asked to.
//!
//! Counts only grow, as long as anybody counts; whoever looks compares with what was there before.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::sync::watch;

use crate::model::GroupId;
use crate::name::Namespaced;

/// What became of the requests to a cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Answered, with anything below 500.
    pub ok: u64,
    /// Answered with 500 or above, or never sent: because there was no connection, or some of those that are dropped.
    pub failed: u64,
    /// Sent.
    pub issued: u64,
    /// On their way now.
    pub active: u64,
    /// Never sent, since there were as many on their way as there may be.
    pub dropped: u64,
    /// Answered, in whichever way, where somebody asks how long that takes.
    pub timed: u64,
    /// Those of them that were answered late.
    pub slow: u64,
}

/// Of which clusters sidecars are asked to report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The group of each node.
    pub nodes: Arc<BTreeMap<Namespaced, GroupId>>,
    /// The clusters of each group, of those with any.
    pub clusters: BTreeMap<GroupId, Vec<String>>,
    /// How often; not nothing if there are any.
    pub interval: Duration,
}

impl Wanted {
    /// The clusters that a node is asked about.
    pub fn of(&self, node: &Namespaced) -> &[String] {
        let group = self.nodes.get(node);
        let clusters = group.and_then(|group| self.clusters.get(group));
        clusters.map(Vec::as_slice).unwrap_or_default()
    }
}

/// The reports of all sidecars of one server.
#[derive(Debug, Default)]
pub struct Loads {
    wanted: watch::Sender<Arc<Wanted>>,
    counted: Mutex<Counted>,
}

#[derive(Debug, Default)]
struct Counted {
    /// Of all streams, those that have ended too, by cluster.
    total: BTreeMap<String, Load>,
    streams: BTreeMap<u64, Reported>,
    next: u64,
}

#[derive(Debug)]
struct Reported {
    node: Arc<str>,
    /// How many of its requests to each cluster are on their way.
    active: BTreeMap<String, u64>,
}

impl Loads {
    /// Asks for other reports, if they are others.
    pub fn want(&self, wanted: Wanted) {
        // What nobody asks about any more would be kept for ever.
        let names: BTreeSet<&String> = wanted.clusters.values().flatten().collect();
        self.counted().keep(|name| names.contains(name));
        self.wanted.send_if_modified(|asked| {
            let differs = **asked != wanted;
            if differs {
                *asked = Arc::new(wanted);
            }
            differs
        });
    }

    /// What is asked for.
    pub fn asked(&self) -> Arc<Wanted> {
        Arc::clone(&self.wanted.borrow())
    }

    /// What is asked for, now and whenever it changes.
    pub(super) fn wanted(&self) -> watch::Receiver<Arc<Wanted>> {
        self.wanted.subscribe()
    }

    /// Everything that was ever reported, by cluster.
    pub fn total(&self) -> BTreeMap<String, Load> {
        self.counted().total.clone()
    }

    /// The nodes that can be asked.
    pub fn reporting(&self) -> BTreeSet<Arc<str>> {
        let counted = self.counted();
        let nodes = counted.streams.values().map(|one| Arc::clone(&one.node));
        nodes.collect()
    }

    /// A sidecar that can be asked, until the value is dropped.
    pub(super) fn open(self: &Arc<Self>, node: Arc<str>) -> Reporter {
        let mut counted = self.counted();
        let number = counted.next;
        counted.next += 1;
        let active = BTreeMap::new();
        counted.streams.insert(number, Reported { node, active });
        Reporter {
            loads: Arc::clone(self),
            number,
        }
    }

    /// A count is valid after any of its changes, so a panic elsewhere does not spoil it.
    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counted {
    /// Forgets all clusters but these.
    fn keep(&mut self, is_kept: impl Fn(&String) -> bool) {
        self.total.retain(|name, _| is_kept(name));
        for stream in self.streams.values_mut() {
            stream.active.retain(|name, _| is_kept(name));
        }
    }
}

impl Load {
    /// Adds what somebody else counted.
    pub fn add(&mut self, other: &Self) {
        self.ok = self.ok.saturating_add(other.ok);
        self.failed = self.failed.saturating_add(other.failed);
        self.issued = self.issued.saturating_add(other.issued);
        self.active = self.active.saturating_add(other.active);
        self.dropped = self.dropped.saturating_add(other.dropped);
        self.timed = self.timed.saturating_add(other.timed);
        self.slow = self.slow.saturating_add(other.slow);
    }
}

/// A sidecar that reports.
#[derive(Debug)]
pub(super) struct Reporter {
    loads: Arc<Loads>,
    number: u64,
}

impl Reporter {
    /// What became of requests to a cluster since the last report; how many are on their way is not a difference.
    pub(super) fn report(&self, cluster: &str, since: &Load) {
        let mut counted = self.loads.counted();
        let Some(stream) = counted.streams.get_mut(&self.number) else {
            return;
        };
        let before = stream.active.insert(cluster.to_owned(), since.active);
        let total = counted.total.entry(cluster.to_owned()).or_default();
        total.active = total.active.saturating_sub(before.unwrap_or_default());
        total.add(since);
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        let mut counted = self.loads.counted();
        let ended = counted.streams.remove(&self.number);
        for (name, active) in ended.into_iter().flat_map(|one| one.active) {
            // What becomes of those nobody will tell.
            if let Some(total) = counted.total.get_mut(&name) {
                total.issued = total.issued.saturating_sub(active);
                total.active = total.active.saturating_sub(active);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Load;
    use super::Loads;
    use super::Wanted;

    fn load(ok: u64, failed: u64, issued: u64, active: u64) -> Load {
        Load {
            ok,
            failed,
            issued,
            active,
            ..Load::default()
        }
    }

    #[test]
    fn counts_grow_and_outlive_the_stream_that_they_came_on() {
        let loads = Arc::new(Loads::default());
        let (a, b) = (loads.open("curl/a".into()), loads.open("curl/b".into()));
        a.report("shadow", &load(3, 1, 6, 2));
        a.report("shadow", &load(1, 0, 1, 2));
        b.report("shadow", &load(10, 0, 10, 0));
        assert_eq!(loads.total()["shadow"], load(14, 1, 17, 2));
        assert_eq!(loads.reporting().len(), 2);
        drop(a);
        assert_eq!(loads.total()["shadow"], load(14, 1, 15, 0));
        assert_eq!(loads.reporting().len(), 1);
        // What nobody asks about is forgotten, and begins anew.
        b.report("shadow", &load(0, 0, 3, 3));
        loads.want(Wanted::default());
        assert_eq!(loads.total().len(), 0);
        b.report("shadow", &load(1, 0, 0, 2));
        assert_eq!(loads.total()["shadow"], load(1, 0, 0, 2));
    }
}
