//! One type on one stream: what the client was sent and what it said of it.
//!
//! "Each type is a separate sub-stream" (xDS protocol, "ACK/NACK and resource type instance version").

mod known;
mod report;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::time::Instant;

use known::Content;
use known::Known;
use known::Standing;
pub(super) use report::{Answer, Entry, Sent};

use super::order::View;
use super::stream::Progress;
use super::subscription::Owed;
use super::subscription::Subscription;
use crate::snapshot::Resource;
use crate::snapshot::ResourceType;
use crate::snapshot::Version;

/// How much of a rejection is kept; Envoy repeats the whole resource in it.
const REASON: usize = 4_000;

/// A response to be sent.
#[derive(Debug, Default)]
pub(super) struct Push {
    pub(super) resources: Vec<(Arc<str>, Resource)>,
    /// What is not there any more: named by the incremental variant, left out by the other.
    pub(super) removed: Vec<Arc<str>>,
    /// What the response calls itself: always there in the state of the world, in increments only if it was chosen.
    pub(super) version: Option<Version>,
}

/// What a reconnecting client says that it has, until it is compared with what there is.
#[derive(Debug, Default)]
pub(super) enum Announced {
    #[default]
    Nothing,
    /// State of the world: `version_info`.
    Version(String),
    /// Incremental: `initial_resource_versions`.
    Resources(BTreeMap<String, String>),
}

/// The state of one type on one stream.
#[derive(Debug)]
pub(super) struct Substream {
    ty: ResourceType,
    pub(super) subscription: Subscription,
    pub(super) announced: Announced,
    known: BTreeMap<Arc<str>, Known>,
    /// Names to be answered even if nothing changed.
    owed: BTreeSet<Arc<str>>,
    /// A response is to be sent even if it is empty.
    answer_owed: bool,
    /// Something happened since it was found that there is nothing to send.
    dirty: bool,
    /// The client came with resources from an earlier stream.
    resumed: bool,
    /// Nonce of the last response; 0 before the first.
    last: u64,
    /// When the oldest response was sent that was not followed by an answer to the last one.
    unanswered: Option<Instant>,
    /// The last response was rejected.
    rejected: bool,
    /// Why a response was last rejected, if ever one was; what is rejected now was rejected for that.
    reason: Option<Arc<str>>,
}

impl Substream {
    /// A type that the client has not asked for yet.
    pub(super) fn new(ty: ResourceType) -> Self {
        Self {
            ty,
            subscription: Subscription::new(ty),
            announced: Announced::Nothing,
            known: BTreeMap::new(),
            owed: BTreeSet::new(),
            answer_owed: false,
            dirty: true,
            resumed: false,
            last: 0,
            unanswered: None,
            rejected: false,
            reason: None,
        }
    }

    /// The type.
    pub(super) fn ty(&self) -> ResourceType {
        self.ty
    }

    /// Nonce of the last response; 0 before the first.
    pub(super) fn last_nonce(&self) -> u64 {
        self.last
    }

    /// Takes note of what a reconnecting client has.
    pub(super) fn resume(&mut self, announced: Announced) {
        self.announced = announced;
        self.resumed = true;
    }

    /// Whether the client may have resources of this type in use.
    pub(super) fn is_live(&self) -> bool {
        self.resumed || self.last > 0
    }

    /// Since when an answer is awaited.
    pub(super) fn unanswered_since(&self) -> Option<Instant> {
        self.unanswered
    }

    /// Takes note of a changed subscription. What the client dropped is not known to it any more, but for a resource that
    /// is on its way, or its end: the client may want everything before it reads that.
    pub(super) fn subscribed(&mut self, owed: Owed) {
        if owed.dropped {
            self.forget_dropped();
        }
        self.owed.extend(owed.names);
        self.dirty |= owed.everything || !self.owed.is_empty();
    }

    fn forget_dropped(&mut self) {
        let subscription = &self.subscription;
        let mut culprit = false;
        self.known.retain(|name, known| {
            let stays = subscription.covers(name) || known.is_on_its_way();
            culprit |= !stays && known.standing == Standing::Rejected;
            stays
        });
        if let Announced::Resources(announced) = &mut self.announced {
            announced.retain(|name, _| subscription.covers(name));
        }
        self.owed.retain(|name| subscription.covers(name));
        if culprit {
            // What was wrong with the response may be what is not wanted any more.
            let rejected = self.known.iter();
            let rejected = rejected.filter(|(_, known)| known.standing == Standing::Rejected);
            self.owed.extend(rejected.map(|(name, _)| Arc::clone(name)));
        }
    }

    /// Promises a response, even an empty one: an unanswered wildcard holds up a client's start.
    pub(super) fn owe_answer(&mut self) {
        self.answer_owed = true;
        self.dirty = true;
    }

    /// Promises a resource, even an unchanged one.
    pub(super) fn owe(&mut self, name: &Arc<str>) {
        if self.subscription.covers(name) {
            self.owed.insert(Arc::clone(name));
            self.dirty = true;
        }
    }

    /// Promises every resource that the client was sent.
    pub(super) fn owe_all(&mut self) {
        let covered = |name: &&Arc<str>| self.subscription.covers(name);
        self.owed.extend(self.known.keys().filter(covered).cloned());
        self.dirty |= !self.owed.is_empty();
    }

    /// What is shown may have changed.
    pub(super) fn look_again(&mut self) {
        self.dirty = true;
    }

    /// Whether it is worth asking for the next response.
    pub(super) fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// Whether the client may have a resource.
    pub(super) fn has(&self, name: &str) -> bool {
        self.known
            .get(name)
            .is_some_and(|known| known.content != Content::Absent)
    }

    /// Whether the client has accepted this very resource.
    pub(super) fn has_accepted(&self, name: &str, resource: &Resource) -> bool {
        self.known
            .get(name)
            .is_some_and(|known| known.standing == Standing::Accepted && known.is(Some(resource)))
    }

    /// Whether a resource was sent and neither accepted nor rejected.
    pub(super) fn awaits(&self, name: &str) -> bool {
        self.known
            .get(name)
            .is_some_and(|known| known.standing == Standing::Unanswered)
    }

    /// Takes it that the client has this resource already, without sending it.
    pub(super) fn assume(&mut self, name: &Arc<str>, version: Option<&Version>) {
        let content = version.cloned().map_or(Content::Other, Content::Version);
        let known = Known {
            content,
            nonce: 0,
            size: 0,
            standing: Standing::Accepted,
            had: true,
        };
        self.known.insert(Arc::clone(name), known);
    }

    /// Whether a response is promised although it may be empty.
    pub(super) fn owes_answer(&self) -> bool {
        self.answer_owed
    }

    /// The resources that the client lacks, or has otherwise, or was promised.
    pub(super) fn changed<'v>(&self, view: &'v View) -> Vec<(&'v Arc<str>, &'v Resource)> {
        let retry = self.retries(view);
        let mut resources = view.wanted(self.ty, &self.subscription);
        resources.retain(|(name, resource)| {
            self.owed.contains(*name)
                || self.known.get(*name).is_none_or(|known| {
                    !known.is(Some(resource)) || retry && known.standing == Standing::Rejected
                })
        });
        resources
    }

    /// The names that the client has and that are not there any more.
    pub(super) fn gone(&self, view: &View) -> Vec<Arc<str>> {
        let retry = self.retries(view);
        let gone = self.known.iter().filter(|(name, known)| {
            self.subscription.covers(name)
                && view.get(self.ty, name).is_none()
                && (!known.is(None)
                    || self.owed.contains(*name)
                    || retry && known.standing == Standing::Rejected)
        });
        gone.map(|(name, _)| Arc::clone(name)).collect()
    }

    /// The names that the client asked for, that are not there, and that it was not told of.
    pub(super) fn missing(&self, view: &View) -> Vec<Arc<str>> {
        let asked = self.subscription.names().union(&self.owed);
        asked
            .filter(|name| !self.known.contains_key(*name) && view.get(self.ty, name).is_none())
            .cloned()
            .collect()
    }

    /// The names that the client has or asked for, and that are not there.
    pub(super) fn left_out(&self, view: &View) -> Vec<Arc<str>> {
        let known = self.known.keys();
        let covered = known.filter(|name| self.subscription.covers(name));
        let names: BTreeSet<_> = covered.chain(self.subscription.names()).collect();
        let absent = names.into_iter();
        absent
            .filter(|name| view.get(self.ty, name).is_none())
            .cloned()
            .collect()
    }

    /// Whether the rejected resources are to be sent again: one of them is another now, or is sent anyway. They go
    /// together, because a client may have dropped all of a response for the sake of one.
    fn retries(&self, view: &View) -> bool {
        self.known.iter().any(|(name, known)| {
            let is_now = || view.get(self.ty, name).map(|(_, resource)| resource);
            known.standing == Standing::Rejected
                && (self.owed.contains(name) || !known.is(is_now()))
        })
    }

    /// Whether the client has all it is to have of this type, and has accepted it.
    pub(super) fn is_settled(&self, view: &View) -> bool {
        let pending =
            || self.answer_owed || !self.changed(view).is_empty() || !self.gone(view).is_empty();
        self.unanswered.is_none() && !self.rejected && !(self.dirty && pending())
    }

    /// How far the delivery is. What is dirty counts as pending, even if it turns out that nothing has to be sent.
    pub(super) fn progress(&self) -> Progress {
        let is_rejected = |known: &Known| known.standing == Standing::Rejected;
        if self.rejected || self.reason.is_some() && self.known.values().any(is_rejected) {
            Progress::Rejected
        } else if self.unanswered.is_some() || self.dirty {
            Progress::Pending
        } else {
            Progress::InSync
        }
    }

    /// Forgets what is gone or not wanted, where the protocol has no way to say so.
    pub(super) fn forget_gone(&mut self, view: &View) {
        self.known
            .retain(|name, _| self.subscription.covers(name) && view.get(self.ty, name).is_some());
    }

    /// There is nothing to send.
    pub(super) fn rest(&mut self) {
        self.dirty = false;
        self.answer_owed = false;
        self.owed.clear();
    }

    /// A response was sent.
    pub(super) fn sent(&mut self, push: &Push, nonce: u64, now: Instant) {
        let size = push.resources.len() + push.removed.len();
        let present = push
            .resources
            .iter()
            .map(|(name, resource)| (name, Content::Version(resource.version.clone())));
        let absent = push.removed.iter().map(|name| (name, Content::Absent));
        for (name, content) in present.chain(absent) {
            let before = self.known.get(name);
            let known = Known {
                content,
                nonce,
                size,
                standing: Standing::Unanswered,
                had: before.is_some_and(Known::may_be_there),
            };
            self.known.insert(Arc::clone(name), known);
        }
        self.rest();
        self.last = nonce;
        self.rejected = false;
        self.unanswered.get_or_insert(now);
    }

    /// The client accepted a response; whether that is news.
    pub(super) fn accepted(&mut self, nonce: u64) -> bool {
        let mut news = nonce == self.last && self.unanswered.take().is_some();
        let subscription = &self.subscription;
        self.known.retain(|name, known| {
            if !known.awaits(nonce) {
                return true;
            }
            known.standing = Standing::Accepted;
            news = true;
            // A removal is remembered for names that are asked for, so that it is not told twice.
            match known.content {
                Content::Absent => subscription.names().contains(name),
                Content::Version(_) | Content::Other => subscription.covers(name),
            }
        });
        news
    }

    /// The client rejected a response; whether that is news.
    pub(super) fn rejected(&mut self, nonce: u64, reason: &str) -> bool {
        let mut news = nonce == self.last && self.unanswered.take().is_some();
        self.rejected |= news;
        let subscription = &self.subscription;
        let mut names = Vec::new();
        let mut size = 0;
        self.known.retain(|name, known| {
            if !known.awaits(nonce) {
                return true;
            }
            known.standing = Standing::Rejected;
            news = true;
            size = known.size;
            let covered = subscription.covers(name);
            names.extend(covered.then(|| Arc::clone(name)));
            covered
        });
        if news {
            self.reason = Some(reason.chars().take(REASON).collect::<String>().into());
        }
        // A part of that response was sent again or dropped meanwhile. That may have been what was wrong with it, so
        // the rest is due once more. If all of it still stands, nothing is sent again.
        if names.len() < size {
            self.dirty = true;
            self.owed.extend(names);
        }
        news
    }
}
