//! Looks at what there is now and then, and has written what differs: the leader the statuses, each of the others what its
//! own sidecars have.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use std::time::SystemTime;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::Client;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio::time::sleep;
use tokio::time::sleep_until;

use super::change::change;
use super::change::may_pass;
use super::counts::Counts;
use super::facts::Facts;
use super::hear::Listener;
use super::kind::Kind;
use super::lease::Election;
use super::lease::Term;
use super::lease::resign;
use super::lease::stand;
use super::note;
use super::note::Owner;
use super::ramp;
use super::tally;
use super::tally::Tally;
use super::tell::Teller;
use super::turn::News;
use super::turn::Refusals;
use super::turn::after;
use super::wanted::Key;
use super::wanted::wanted;
use super::writer::Known;
use super::writer::Outcome;
use super::writer::Writer;
use crate::model::Verdict;
use crate::name::Namespaced;
use crate::observe;
use crate::observe::Governor;
use crate::observe::Keeper;
use crate::server::Progress;
use crate::server::Sidecar;
use crate::server::Stats;

/// How often statuses are looked at. What happens in between is written once.
const LOOK: Duration = Duration::from_secs(1);

/// For how long it is believed that statuses are as they were read or written, and that a kind keeps none.
const MEMORY: Duration = Duration::from_secs(300);

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
    /// Where the Lease of the leader is, and what replicas tell it.
    pub namespace: String,
    /// The name of this process among the candidates; no two may have the same.
    pub identity: String,
    /// The Pod of this process, if it has one in that namespace.
    pub owner: Option<Owner>,
}

/// The client says nothing about itself.
impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("namespace", &self.namespace)
            .field("identity", &self.identity)
            .field("owner", &self.owner)
            .finish_non_exhaustive()
    }
}

/// Writes the statuses of the objects while this process is the leader, and else tells the leader what its own sidecars
/// have; until `stopping` holds. Then it gives the Lease back, or takes back what it told.
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
        owner,
    } = settings;
    let leases = Api::namespaced(client.clone(), &namespace);
    let (term, terms) = watch::channel(None);
    let notes: Api<ConfigMap> = Api::namespaced(client.clone(), &namespace);
    let own = note::name(&identity);
    let mut desk = Desk {
        listener: Listener::new(notes.clone(), own.clone()),
        teller: Teller::new(notes, own, owner, counts.told.clone()),
        counted: None,
        writer: Writer::new(client, &identity),
        facts,
        stats,
        counts,
        terms,
        known: None,
        seen: None,
        passing: BTreeMap::new(),
        refusals: Refusals::default(),
        governor: Governor::default(),
        keeper: Keeper::default(),
        verdicts: BTreeMap::new(),
        last: None,
    };
    tokio::select! {
        () = stand(leases.clone(), Election::new(identity.clone()), term) => {}
        () = desk.work() => {}
        _ = stopping.wait_for(|stopping| *stopping) => {}
    }
    tokio::join!(resign(&leases, &identity), desk.teller.withdraw());
}

/// What was looked at last: while nothing of it changes, there is nothing to do.
#[derive(Clone)]
struct Seen {
    facts: Arc<Facts>,
    progress: Vec<(Arc<str>, Progress)>,
}

impl Seen {
    fn new(facts: &Arc<Facts>, sidecars: &[Sidecar]) -> Self {
        let progress = |one: &Sidecar| (Arc::clone(&one.node), one.progress());
        Self {
            facts: Arc::clone(facts),
            progress: sidecars.iter().map(progress).collect(),
        }
    }
}

/// That it is the very same, not that it is equal: nobody compares thousands of objects each second.
impl PartialEq for Seen {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.facts, &other.facts) && self.progress == other.progress
    }
}

struct Desk<'a> {
    listener: Listener,
    teller: Teller,
    /// What was last counted to be told.
    counted: Option<(Seen, Tally)>,
    writer: Writer,
    facts: watch::Receiver<Option<Arc<Facts>>>,
    stats: Arc<Stats>,
    counts: &'a Counts,
    terms: watch::Receiver<Term>,
    /// The statuses that the objects have, and when they were read; only if this process is the leader.
    known: Option<(Instant, Known)>,
    seen: Option<(Seen, Vec<Tally>)>,
    /// Since when only deliveries are under way.
    passing: BTreeMap<Key, Instant>,
    refusals: Refusals,
    /// The shares of rules that may only send so much.
    governor: Governor,
    /// What becomes of copies in steps with gates.
    keeper: Keeper,
    /// What they say to the gates, by the names of the steps.
    verdicts: BTreeMap<Namespaced, (u64, Verdict)>,
    /// Whose status was tried last.
    last: Option<Key>,
}

/// How a look ended.
enum Look {
    Done,
    /// There is more to write.
    More,
    Failed(String),
}

impl Desk<'_> {
    async fn work(&mut self) {
        let mut pause = LOOK;
        let mut told = false;
        loop {
            // Not in step with other processes.
            sleep(pause.mul_f64(0.8 + fastrand::f64() * 0.4)).await;
            let leads = self.leads();
            self.counts.leader.set(i64::from(leads));
            if !leads {
                self.known = None;
                pause = LOOK;
                self.tell().await;
                continue;
            }
            self.teller.withdraw().await;
            let look = self.look().await;
            if let Some(News { key, error, others }) = self.refusals.news() {
                let (code, kind, name) = ("MP506", key.0.as_str(), &key.1);
                tracing::warn!(code, kind, %name, error, others, "a status is refused");
            }
            match look {
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

    /// Tells the leader what the sidecars of this process have.
    async fn tell(&mut self) {
        // Who leads is known as soon as anything was said about it. A leader need not be told.
        let undecided = !self.terms.has_changed().unwrap_or(true);
        let Some(facts) = self
            .facts
            .borrow_and_update()
            .clone()
            .filter(|_| !undecided)
        else {
            return;
        };
        let sidecars = self.stats.sidecars();
        let seen = Seen::new(&facts, &sidecars);
        if self
            .counted
            .as_ref()
            .is_none_or(|(before, _)| *before != seen)
        {
            self.counted = Some((seen, Tally::of(&facts, &sidecars)));
        }
        let loads = observe::loads(self.stats.loads());
        self.governor
            .look(&facts.rates, &loads, |_| 0, Instant::now());
        self.governor.follow(&facts.rates);
        self.keeper.look(facts.gated(), &loads, Instant::now());
        if let Some((_, tally)) = &mut self.counted {
            tally.sent = self.governor.sent();
            tally.fared = self.keeper.told();
            self.teller.tell(tally).await;
        }
    }

    async fn look(&mut self) -> Look {
        let Some(facts) = self.facts.borrow_and_update().clone() else {
            return Look::Done;
        };
        let known = self.known.take();
        let known = match known.filter(|(since, _)| since.elapsed() < MEMORY) {
            Some(known) => known,
            None => match self.writer.read().await {
                Ok(read) => {
                    self.seen = None;
                    self.writer.reopen();
                    (Instant::now(), read)
                }
                Err(error) => return Look::Failed(error),
            },
        };
        let (_, known) = self.known.insert(known);
        let others = self.listener.others().await;
        let before = self.governor.shares().clone();
        let elsewhere = |rule: &Namespaced| tally::sent(others, rule);
        let loads = observe::loads(self.stats.loads());
        self.governor
            .look(&facts.rates, &loads, elsewhere, Instant::now());
        if before != *self.governor.shares() {
            self.seen = None;
        }
        self.keeper.look(facts.gated(), &loads, Instant::now());
        let waiting = facts.gated().filter(|(_, gated)| gated.waits);
        let verdicts = waiting.map(|(rule, gated)| {
            let theirs = tally::fared(others, rule, gated.id);
            let outcomes = self.keeper.outcomes(rule).plus(theirs);
            let verdict = observe::verdict(&gated.gate, outcomes);
            (rule.clone(), (gated.id, verdict))
        });
        let verdicts = verdicts.collect();
        if self.verdicts != verdicts {
            self.verdicts = verdicts;
            self.seen = None;
        }
        let sidecars = self.stats.sidecars();
        let seen = Seen::new(&facts, &sidecars);
        let same = self
            .seen
            .as_ref()
            .is_some_and(|(before, had)| *before == seen && had == others);
        if same && self.passing.is_empty() && !self.refusals.any_due(Instant::now()) {
            return Look::Done;
        }
        let mut wanted = wanted(&facts, &sidecars, others, &self.governor);
        self.seen = Some((seen, others.to_vec()));
        known.retain(|key, _| wanted.contains_key(key));
        self.passing.retain(|key, _| wanted.contains_key(key));
        self.refusals.retain(&wanted);
        let time = SystemTime::now();
        let now = prost_types::Timestamp::from(time);
        let now = prost_types::Timestamp { nanos: 0, ..now }.to_string();
        for (rule, progress) in facts.ramps.iter() {
            let key = (Kind::PluginConfig, rule.clone());
            let Some(wanted) = wanted.get_mut(&key) else {
                continue;
            };
            let held = known.get(&key).filter(|(uid, _)| *uid == wanted.uid);
            let current = held.map_or(&Value::Null, |(_, status)| status);
            let verdict = self.verdicts.get(rule).copied();
            let ramp = ramp::status(progress, current, verdict, time);
            wanted.fields["ramp"] = serde_json::to_value(&ramp).unwrap_or_default();
        }
        let (mut tried, last) = (0, self.last.clone());
        for (key, wanted) in after(&wanted, last.as_ref()) {
            if !self.writer.takes(key.0) {
                self.passing.remove(key);
                self.refusals.settle(key);
                continue;
            }
            if self.refusals.waits(key, Instant::now()) {
                self.passing.remove(key);
                continue;
            }
            let held = known.get(key).filter(|(uid, _)| *uid == wanted.uid);
            let current = held.map_or(&Value::Null, |(_, status)| status);
            let Some(change) = change(current, wanted, &now) else {
                self.passing.remove(key);
                self.refusals.settle(key);
                continue;
            };
            if may_pass(current, wanted) {
                let since = self.passing.entry(key.clone());
                if since.or_insert_with(Instant::now).elapsed() < PASSING {
                    continue;
                }
            }
            if tried == AT_ONCE {
                return Look::More;
            }
            // The term may have ended in the middle.
            let term = *self.terms.borrow();
            if term.is_none_or(|until| until <= Instant::now()) {
                self.known = None;
                return Look::Done;
            }
            self.last = Some(key.clone());
            match self.writer.write(key, &change).await {
                Outcome::Failed(error) => {
                    self.refusals.unanswered(key, Instant::now());
                    let (kind, name) = (key.0.as_str(), &key.1);
                    return Look::Failed(format!("{kind} {name}: {error}"));
                }
                Outcome::Refused(error) => self.refusals.refused(key, error, Instant::now()),
                Outcome::Settled { written } => {
                    if written {
                        self.counts.writes.inc();
                        tracing::debug!(kind = key.0.as_str(), name = %key.1, "status written");
                        let uid = wanted.uid.as_deref();
                        self.writer.tell(key, uid, &change.turned).await;
                    }
                    self.refusals.settle(key);
                    known.insert(key.clone(), (wanted.uid.clone(), change.status));
                }
            }
            self.passing.remove(key);
            tried += 1;
            sleep_until(Instant::now() + PAUSE).await;
        }
        Look::Done
    }
}
