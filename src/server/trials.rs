//! What the clients that try a configuration make of it, told to the roll-out that asked them to.
//!
//! A stream that takes part in no trial does nothing here. One that does says how far it is, and that only when it is
//! another than before; a rejection stays even if the client is gone the next moment.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use tokio::sync::Notify;

use super::journal::Standing;
use super::stats::Stats;
use super::stream::Progress;
use crate::snapshot::Instance;
use crate::snapshot::ResourceType;

/// What a sidecar makes of what it tries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It has accepted all of it.
    Accepted,
    /// It has not said so yet.
    Pending,
    /// It rejected a part of it: the type, and why in its own words.
    Rejected(ResourceType, String),
    /// It is not connected.
    Gone,
}

/// The trials of one server.
#[derive(Debug, Default)]
pub(crate) struct Trials {
    open: Mutex<BTreeMap<u64, BTreeMap<Instance, Votes>>>,
    news: Notify,
}

/// What the streams of a sidecar say.
#[derive(Debug, Default)]
struct Votes {
    streams: BTreeMap<u64, Standing>,
    rejection: Option<(ResourceType, String)>,
}

impl Trials {
    /// Opens the trials of these numbers if they are not open, and forgets all others.
    pub(crate) fn hold(&self, trials: impl IntoIterator<Item = u64>) {
        self.with(|open| {
            let mut held = BTreeMap::new();
            for trial in trials {
                held.insert(trial, open.remove(&trial).unwrap_or_default());
            }
            *open = held;
        });
    }

    /// Completes when there is anything new since it last did, or soon after it was first asked.
    pub(crate) async fn news(&self) {
        self.news.notified().await;
    }

    /// What a sidecar with so many streams makes of a trial in which resources of these types changed.
    pub(super) fn verdict(
        &self,
        trial: u64,
        sidecar: &Instance,
        connected: usize,
        changed: &BTreeSet<ResourceType>,
    ) -> Verdict {
        self.with(|open| {
            let votes = open.get(&trial).and_then(|sidecars| sidecars.get(sidecar));
            match votes.and_then(|votes| votes.rejection.clone()) {
                Some((ty, message)) => Verdict::Rejected(ty, message),
                None if connected == 0 => Verdict::Gone,
                None => match votes {
                    Some(votes) if votes.agree(connected, changed) => Verdict::Accepted,
                    _ => Verdict::Pending,
                },
            }
        })
    }

    fn vote(&self, trial: u64, sidecar: &Instance, change: impl FnOnce(&mut Votes)) {
        let counts = self.with(|open| match open.get_mut(&trial) {
            Some(sidecars) => {
                change(sidecars.entry(sidecar.clone()).or_default());
                true
            }
            None => false,
        });
        if counts {
            self.news.notify_one();
        }
    }

    fn with<T>(&self, f: impl FnOnce(&mut BTreeMap<u64, BTreeMap<Instance, Votes>>) -> T) -> T {
        // Nothing in here can panic half-way.
        f(&mut self.open.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Votes {
    /// Whether all streams have what they asked for, and each of the changed types was asked for: a client that comes
    /// back asks for one after the other. Runtime values are not on trial.
    fn agree(&self, connected: usize, changed: &BTreeSet<ResourceType>) -> bool {
        let in_sync = |standing: &Standing, ty: ResourceType| {
            let progress = standing.get(ty as usize).copied().flatten();
            progress.map(|progress| progress == Progress::InSync)
        };
        let tried = ResourceType::ALL.into_iter();
        let mut tried = tried.filter(|ty| *ty != ResourceType::Runtime);
        self.streams.len() >= connected
            && tried.all(|ty| {
                let mut said = self
                    .streams
                    .values()
                    .filter_map(|s| in_sync(s, ty))
                    .peekable();
                (said.peek().is_some() || !changed.contains(&ty)) && said.all(|in_sync| in_sync)
            })
    }
}

/// The part of a stream in a trial, until it is dropped.
#[derive(Debug)]
pub(super) struct Ballot {
    stats: Arc<Stats>,
    trial: u64,
    sidecar: Instance,
    stream: u64,
    /// The nonce of the first response since the trial began: a word on one before it is not about the trial.
    since: Option<u64>,
    cast: Option<Standing>,
}

impl Ballot {
    pub(super) fn new(stats: &Arc<Stats>, trial: u64, sidecar: Instance, stream: u64) -> Self {
        Self {
            stats: Arc::clone(stats),
            trial,
            sidecar,
            stream,
            since: None,
            cast: None,
        }
    }

    /// The trial that it counts for.
    pub(super) fn trial(&self) -> u64 {
        self.trial
    }

    /// A response was sent.
    pub(super) fn sent(&mut self, nonce: u64) {
        self.since.get_or_insert(nonce);
    }

    /// A response was rejected.
    pub(super) fn rejected(&self, ty: ResourceType, nonce: u64, message: &str) {
        let on_trial = self.since.is_some_and(|since| nonce >= since);
        if on_trial && ty != ResourceType::Runtime {
            self.vote(|votes| {
                let first = (ty, message.to_owned());
                votes.rejection.get_or_insert(first);
            });
        }
    }

    /// The stream stands like this, after anything happened.
    pub(super) fn stands(&mut self, standing: Standing) {
        if self.cast != Some(standing) {
            self.cast = Some(standing);
            self.vote(|votes| {
                votes.streams.insert(self.stream, standing);
            });
        }
    }

    fn vote(&self, change: impl FnOnce(&mut Votes)) {
        self.stats.trials().vote(self.trial, &self.sidecar, change);
    }
}

impl Drop for Ballot {
    fn drop(&mut self) {
        self.vote(|votes| {
            votes.streams.remove(&self.stream);
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Ballot;
    use super::Verdict;
    use crate::server::Stats;
    use crate::server::journal::Standing;
    use crate::server::stream::Progress::{InSync, Pending, Rejected};
    use crate::snapshot::Instance;
    use crate::snapshot::ResourceType::{Cluster, Route, Runtime};

    const CLUSTERS: Standing = [Some(InSync), None, None, None, Some(Rejected)];
    const ROUTES: Standing = [None, None, None, Some(InSync), None];
    const BUSY: Standing = [Some(InSync), None, None, Some(Pending), None];

    fn sidecar() -> Instance {
        let node = Arc::from("n");
        Instance { node, peer: None }
    }

    #[test]
    fn all_streams_of_a_node_have_to_accept_all_that_changed() {
        let sidecar = sidecar();
        for (standings, connected, expected) in [
            (&[][..], 0, Verdict::Gone),
            (&[], 1, Verdict::Pending),
            (&[CLUSTERS], 1, Verdict::Pending),
            (&[CLUSTERS, ROUTES], 2, Verdict::Accepted),
            (&[CLUSTERS, ROUTES], 3, Verdict::Pending),
            (&[CLUSTERS, ROUTES, BUSY], 3, Verdict::Pending),
        ] {
            let stats = Arc::new(Stats::default());
            stats.trials().hold([7]);
            let mut ballots = Vec::new();
            for (stream, standing) in (0..).zip(standings) {
                let mut ballot = Ballot::new(&stats, 7, sidecar.clone(), stream);
                ballot.stands(*standing);
                ballots.push(ballot);
            }
            let changed = [Cluster, Route].into();
            let verdict = stats.trials().verdict(7, &sidecar, connected, &changed);
            assert_eq!(verdict, expected, "{standings:?}");
        }
    }

    #[test]
    fn a_rejection_outlives_its_stream_and_not_its_trial() {
        let stats = Arc::new(Stats::default());
        let (sidecar, changed) = (sidecar(), [Route].into());
        let verdict = || stats.trials().verdict(1, &sidecar, 0, &changed);
        stats.trials().hold([1]);
        let mut ballot = Ballot::new(&stats, 1, sidecar.clone(), 1);
        ballot.rejected(Route, 4, "sent before the trial");
        ballot.sent(5);
        ballot.rejected(Route, 4, "sent before the trial");
        ballot.rejected(Runtime, 6, "not on trial");
        drop(ballot);
        assert_eq!(verdict(), Verdict::Gone);
        let mut ballot = Ballot::new(&stats, 1, sidecar.clone(), 2);
        ballot.sent(2);
        ballot.rejected(Route, 2, "no");
        drop(ballot);
        assert_eq!(verdict(), Verdict::Rejected(Route, "no".to_owned()));
        stats.trials().hold([1, 2]);
        assert_eq!(verdict(), Verdict::Rejected(Route, "no".to_owned()));
        stats.trials().hold([2]);
        assert_eq!(verdict(), Verdict::Gone);
    }
}
