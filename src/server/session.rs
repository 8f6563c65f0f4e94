//! What both protocol variants have in common: which type is sent next, and what has to wait.
//!
//! No I/O and no clock: whoever polls the stream says what happened and when, and asks for the next response.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::time::Instant;

use super::order::PATIENCE;
use super::order::REFERRED_TO;
use super::order::REFERRING;
use super::order::View;
use super::stream::Outcome;
use super::stream::Progress;
use super::subscription::Subscription;
use super::substream::Entry;
use super::substream::Push;
use super::substream::Substream;
use super::warming::endpoints_of;
use crate::proto::google::rpc::Status;
use crate::snapshot::ResourceType;
use crate::snapshot::Snapshot;

/// The state of a stream.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// Absent until the sources are synced: nothing is sent, because an empty answer would delete everything.
    view: Option<View>,
    substreams: BTreeMap<ResourceType, Substream>,
    /// Endpoints that clusters sent since then wait for.
    warming: BTreeMap<Arc<str>, Instant>,
    /// When a client that had listeners or routes was last sent others.
    moved: Option<Instant>,
    /// The last nonce. It is never used twice on a stream.
    nonce: u64,
}

/// Says what a type is to be sent, if anything: this is where the variants differ.
pub(super) type Plan = fn(&mut Substream, &View) -> Option<Push>;

impl Session {
    /// The sub-stream of a type.
    pub(super) fn substream(&mut self, ty: ResourceType) -> &mut Substream {
        self.substreams
            .entry(ty)
            .or_insert_with(|| Substream::new(ty))
    }

    /// Whether anything may be sent yet.
    pub(super) fn is_synced(&self) -> bool {
        self.view.is_some()
    }

    /// Whether the client has asked for a type.
    pub(super) fn knows(&self, ty: ResourceType) -> bool {
        self.substreams.contains_key(&ty)
    }

    /// ACK or NACK: "a NACK is indicated by the presence of the error_detail field", and by nothing else.
    pub(super) fn answered(
        &mut self,
        ty: ResourceType,
        nonce: u64,
        error: Option<Status>,
    ) -> Outcome {
        let Some(error) = error else {
            return match self.substream(ty).accepted(nonce) {
                true => Outcome::Accepted(ty),
                false => Outcome::Subscribed,
            };
        };
        if !self.substream(ty).rejected(nonce, &error.message) {
            return Outcome::Subscribed;
        }
        if ty == ResourceType::Cluster {
            // It will not ask for the endpoints of clusters that it did not take.
            self.warming.clear();
        }
        Outcome::Rejected {
            ty,
            message: error.message,
        }
    }

    /// What the client is to have from now on.
    pub(super) fn set_snapshot(&mut self, snapshot: Arc<Snapshot>, now: Instant) {
        match &mut self.view {
            Some(view) if view.is_of(&snapshot) => {}
            Some(view) => {
                for (ty, substream) in &mut self.substreams {
                    if view.differs(&snapshot, *ty) {
                        substream.look_again();
                    }
                }
                let substreams = &self.substreams;
                view.replace(snapshot, now, |ty, name| {
                    substreams.get(&ty).is_some_and(|sub| sub.has(name))
                });
            }
            None => {
                self.view = Some(View::new(snapshot));
                self.substreams.values_mut().for_each(Substream::look_again);
            }
        }
    }

    /// What the client was sent, and what it said of it.
    pub(super) fn report(&self) -> Vec<Entry> {
        let view = self.view.as_ref();
        let substreams = self.substreams.values();
        substreams.flat_map(|sub| sub.report(view)).collect()
    }

    /// A nonce for a response that belongs to no sub-stream.
    pub(super) fn next_nonce(&mut self) -> u64 {
        self.nonce += 1;
        self.nonce
    }

    /// The next response; to be called until there is none, and again after anything happened.
    pub(super) fn next(&mut self, now: Instant, plan: Plan) -> Option<(ResourceType, u64, Push)> {
        self.release(now);
        let gated = self.gate(now).is_some();
        let view = self.view.as_ref()?;
        let nonce = self.nonce + 1;
        for (ty, substream) in &mut self.substreams {
            if !substream.is_dirty() || gated && waits(substream) {
                continue;
            }
            let Some(push) = plan(substream, view) else {
                substream.rest();
                continue;
            };
            let (ty, news) = (*ty, news(substream, &push));
            if waits(substream) {
                self.moved = Some(now);
            }
            substream.sent(&push, nonce, now);
            self.nonce = nonce;
            self.follow_up(ty, &push, &news, now);
            return Some((ty, nonce, push));
        }
        None
    }

    /// How far the delivery of a type is, if the client asked for it.
    pub(super) fn progress(&self, ty: ResourceType) -> Option<Progress> {
        let substream = self.substreams.get(&ty)?;
        Some(match &self.view {
            Some(_) => substream.progress(),
            None => Progress::Pending,
        })
    }

    /// Bytes that the client's names take.
    pub(super) fn names_size(&self) -> usize {
        let subscriptions = self.substreams.values().map(|sub| &sub.subscription);
        subscriptions.map(Subscription::size).sum()
    }

    /// When to ask again although nothing happened.
    pub(super) fn deadline(&self, now: Instant) -> Option<Instant> {
        let waiting = self.substreams.values().any(|s| s.is_dirty() && waits(s));
        let gate = waiting.then(|| self.gate(now)).flatten();
        let release = self.view.as_ref().and_then(View::next_release);
        gate.into_iter().chain(release).min()
    }

    /// Stops showing what was removed, once nothing that the client uses refers to it.
    fn release(&mut self, now: Instant) {
        let Some(view) = self.view.as_mut().filter(|view| view.keeps_any()) else {
            return;
        };
        let settled = REFERRING
            .iter()
            .filter_map(|ty| self.substreams.get(ty))
            .all(|substream| substream.is_settled(view))
            && !clings(
                self.substreams.get(&ResourceType::Cluster),
                view,
                self.moved,
                now,
            );
        let changed = if settled {
            view.release_all();
            true
        } else {
            view.release_expired(now)
        };
        for ty in REFERRED_TO.iter().filter(|_| changed) {
            if let Some(substream) = self.substreams.get_mut(ty) {
                substream.look_again();
            }
        }
    }

    /// Until when listeners and routes wait, if they do: a cluster must be in use before a route names it. The client
    /// says so by accepting the clusters (Envoy does that only when they are warm) and asking for their endpoints.
    fn gate(&self, now: Instant) -> Option<Instant> {
        let clusters = self.substreams.get(&ResourceType::Cluster);
        clusters
            .and_then(Substream::unanswered_since)
            .into_iter()
            .chain(self.warming.values().copied())
            .map(|since| since + PATIENCE)
            .filter(|until| *until > now)
            .min()
    }

    /// Notes what one response makes necessary in other types.
    fn follow_up(&mut self, ty: ResourceType, push: &Push, news: &[usize], now: Instant) {
        let Some(view) = &self.view else { return };
        match ty {
            // A client that takes a new or changed cluster waits for its endpoints, even if it has them already
            // (envoy#13009).
            ResourceType::Cluster => {
                self.warming.retain(|_, since| *since + PATIENCE > now);
                for (name, cluster) in news.iter().filter_map(|index| push.resources.get(*index)) {
                    let name = endpoints_of(name, &cluster.body);
                    let Some((name, _)) = view.get(ResourceType::Endpoint, &name) else {
                        continue;
                    };
                    self.warming.insert(Arc::clone(name), now);
                    if let Some(endpoints) = self.substreams.get_mut(&ResourceType::Endpoint) {
                        endpoints.owe(name);
                    }
                }
            }
            ResourceType::Endpoint => {
                for (name, _) in &push.resources {
                    self.warming.remove(name);
                }
            }
            // A listener that was replaced may wait for its routes in the same way.
            ResourceType::Listener if !news.is_empty() => {
                if let Some(routes) = self.substreams.get_mut(&ResourceType::Route) {
                    routes.owe_all();
                }
            }
            ResourceType::Listener | ResourceType::Route | ResourceType::Runtime => {}
        }
    }
}

/// Whether a type is one that waits for clusters. A client that has none of it yet has no traffic to disturb.
fn waits(substream: &Substream) -> bool {
    REFERRING.contains(&substream.ty()) && substream.is_live()
}

/// Whether a client that asks for clusters by name still wants one that was removed, because it has only just `moved` to
/// other routes. Its accepting those says less than an Envoy's: a gRPC client asks for the clusters of the new routes
/// afterwards, calls by the old ones until it has all of them, and then asks for the old clusters no more (gRFC A74).
fn clings(clusters: Option<&Substream>, view: &View, moved: Option<Instant>, now: Instant) -> bool {
    let asked = clusters.map(|clusters| &clusters.subscription);
    let asked = asked.filter(|asked| !asked.is_wildcard());
    moved.is_some_and(|moved| moved + PATIENCE > now)
        && asked.is_some_and(|asked| {
            let mut names = asked.names().iter();
            names.any(|name| view.keeps(ResourceType::Cluster, name))
        })
}

/// Which resources of a response are new to the client.
fn news(substream: &Substream, push: &Push) -> Vec<usize> {
    let resources = push.resources.iter().enumerate();
    resources
        .filter(|(_, (name, resource))| !substream.has_accepted(name, resource))
        .map(|(index, _)| index)
        .collect()
}
