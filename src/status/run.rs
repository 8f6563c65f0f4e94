//! Looks at what there is now and then, and has written what differs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use std::time::SystemTime;

use kube::Api;
use kube::Client;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio::time::sleep;
use tokio::time::sleep_until;

use super::change::change;
use super::change::may_pass;
use super::facts::Facts;
use super::lease::Election;
use super::lease::Term;
use super::lease::resign;
use super::lease::stand;
use super::wanted::Key;
use super::wanted::wanted;
use super::writer::Known;
use super::writer::Outcome;
use super::writer::Writer;
use crate::server::Progress;
use crate::server::Sidecar;
use crate::server::Stats;

/// How often statuses are looked at. What happens in between is written once.
const LOOK: Duration = Duration::from_secs(1);

/// Statuses that are written at a look: the next look has newer ones.
const AT_ONCE: usize = 20;

/// Between two writes.
const PAUSE: Duration = Duration::from_millis(20);

/// For how long sidecars that had a rule may be about to accept it anew before that is written.
const PASSING: Duration = Duration::from_secs(5);

/// The longest time between two tries while the API server refuses.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What it takes to write statuses.
#[derive(Clone)]
pub struct Settings {
    /// The cluster.
    pub client: Client,
    /// Where the Lease of the leader is.
    pub namespace: String,
    /// The name of this process among the candidates; no two may have the same.
    pub identity: String,
}

/// The client says nothing about itself.
impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("namespace", &self.namespace)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

/// What is counted.
#[derive(Debug, Default)]
pub struct Counts {
    writes: Counter,
    leader: Gauge,
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
    }
}

/// Writes the statuses of the objects while this process is the leader, until `stopping` holds; then it gives the Lease
/// back.
pub async fn run(
    settings: Settings,
    facts: watch::Receiver<Option<Arc<Facts>>>,
    stats: Arc<Stats>,
    counts: &Counts,
    mut stopping: watch::Receiver<bool>,
) {
    let Settings {
        client,
        namespace,
        identity,
    } = settings;
    let leases = Api::namespaced(client.clone(), &namespace);
    let (term, terms) = watch::channel(None);
    let desk = Desk {
        writer: Writer::new(client, &identity),
        facts,
        stats,
        counts,
        terms,
        known: None,
        seen: None,
        passing: BTreeMap::new(),
    };
    tokio::select! {
        () = stand(leases.clone(), Election::new(identity.clone()), term) => {}
        () = desk.work() => {}
        _ = stopping.wait_for(|stopping| *stopping) => {}
    }
    resign(&leases, &identity).await;
}

/// What was looked at last: while nothing of it changes, there is nothing to do.
type Seen = (Arc<Facts>, Vec<(Arc<str>, Progress)>);

struct Desk<'a> {
    writer: Writer,
    facts: watch::Receiver<Option<Arc<Facts>>>,
    stats: Arc<Stats>,
    counts: &'a Counts,
    terms: watch::Receiver<Term>,
    /// The statuses that the objects have, since this process is the leader.
    known: Option<Known>,
    seen: Option<Seen>,
    /// Since when only deliveries are under way.
    passing: BTreeMap<Key, Instant>,
}

/// How a look ended.
enum Look {
    Done,
    /// There is more to write.
    More,
    Failed(String),
}

impl Desk<'_> {
    async fn work(mut self) {
        let mut pause = LOOK;
        let mut told = false;
        loop {
            // Not in step with other processes.
            sleep(pause.mul_f64(0.8 + fastrand::f64() * 0.4)).await;
            let leads = self.leads();
            self.counts.leader.set(i64::from(leads));
            if !leads {
                self.known = None;
                continue;
            }
            match self.look().await {
                Look::Done => (pause, told) = (LOOK, false),
                Look::More => {
                    self.seen = None;
                    pause = LOOK;
                }
                Look::Failed(error) => {
                    self.seen = None;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    if !told {
                        told = true;
                        tracing::warn!(code = "MP506", error, "statuses cannot be written now");
                    }
                }
            }
        }
    }

    fn leads(&self) -> bool {
        let term = *self.terms.borrow();
        term.is_some_and(|until| Instant::now() < until)
    }

    async fn look(&mut self) -> Look {
        let Some(facts) = self.facts.borrow_and_update().clone() else {
            return Look::Done;
        };
        let known = match &mut self.known {
            Some(known) => known,
            None => {
                self.seen = None;
                match self.writer.read().await {
                    Ok(read) => self.known.insert(read),
                    Err(error) => return Look::Failed(error),
                }
            }
        };
        let sidecars = self.stats.sidecars();
        let progress = |one: &Sidecar| (Arc::clone(&one.node), one.progress());
        let progress: Vec<_> = sidecars.iter().map(progress).collect();
        let same = self
            .seen
            .as_ref()
            .is_some_and(|(before, had)| Arc::ptr_eq(before, &facts) && *had == progress);
        if same && self.passing.is_empty() {
            return Look::Done;
        }
        let wanted = wanted(&facts, &sidecars);
        self.seen = Some((facts, progress));
        known.retain(|key, _| wanted.contains_key(key));
        self.passing.retain(|key, _| wanted.contains_key(key));
        let (mut written, mut passing) = (0, BTreeMap::new());
        for (key, wanted) in &wanted {
            if !self.writer.takes(key.0) {
                continue;
            }
            let held = known.get(key).filter(|(uid, _)| *uid == wanted.uid);
            let current = held.map_or(&Value::Null, |(_, status)| status);
            let now = prost_types::Timestamp::from(SystemTime::now());
            let now = prost_types::Timestamp { nanos: 0, ..now }.to_string();
            let Some(change) = change(current, wanted, &now) else {
                continue;
            };
            if may_pass(current, wanted) {
                let since = self.passing.get(key).copied();
                let since = since.unwrap_or_else(Instant::now);
                if since.elapsed() < PASSING {
                    passing.insert(key.clone(), since);
                    continue;
                }
            }
            if written == AT_ONCE {
                self.passing = passing;
                return Look::More;
            }
            // The term may have ended in the middle.
            let term = *self.terms.borrow();
            if term.is_none_or(|until| until <= Instant::now()) {
                self.known = None;
                return Look::Done;
            }
            match self.writer.write(key, &change).await {
                Outcome::Failed(error) => return Look::Failed(error),
                Outcome::Settled { written: true } => {
                    self.counts.writes.inc();
                    tracing::debug!(kind = key.0.as_str(), name = %key.1, "status written");
                    let uid = wanted.uid.as_deref();
                    self.writer.tell(key, uid, &change.turned).await;
                }
                Outcome::Settled { written: false } => {}
            }
            known.insert(key.clone(), (wanted.uid.clone(), change.status));
            written += 1;
            sleep_until(Instant::now() + PAUSE).await;
        }
        self.passing = passing;
        Look::Done
    }
}
