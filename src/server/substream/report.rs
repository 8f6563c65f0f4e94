//! What one type on one stream looks like from outside, made only when somebody asks.

use std::sync::Arc;

use bytes::Bytes;

use super::Content;
use super::Known;
use super::Standing;
use super::Substream;
use crate::server::order::View;
use crate::snapshot::ResourceType;
use crate::snapshot::Version;

/// One name of one type, as far as the server knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::server) struct Entry {
    pub(in crate::server) ty: ResourceType,
    pub(in crate::server) name: Arc<str>,
    pub(in crate::server) sent: Sent,
    pub(in crate::server) answer: Answer,
}

/// What was last sent under the name, or is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::server) enum Sent {
    /// This version; its body, if it is still what is served.
    Resource(Version, Option<Bytes>),
    /// That there is no such resource.
    Absence,
    /// Nothing: the client came with something else, and was not sent what there is.
    Nothing,
}

/// What the client said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::server) enum Answer {
    /// It was not asked yet.
    NotSent,
    /// Nothing yet.
    Awaited,
    /// It has it.
    Accepted,
    /// It rejected a response with it, for this reason.
    Rejected(Arc<str>),
}

impl Substream {
    /// All names that the client has or wants.
    pub(in crate::server) fn report(&self, view: Option<&View>) -> Vec<Entry> {
        let known = self.known.iter();
        let mut entries: Vec<_> = known
            .map(|(name, known)| self.entry(name, known, view))
            .collect();
        let wanted = view.map(|view| view.wanted(self.ty, &self.subscription));
        for (name, resource) in wanted.into_iter().flatten() {
            if !self.known.contains_key(name) {
                entries.push(Entry {
                    ty: self.ty,
                    name: Arc::clone(name),
                    sent: Sent::Resource(resource.version.clone(), Some(resource.body.clone())),
                    answer: Answer::NotSent,
                });
            }
        }
        entries
    }

    fn entry(&self, name: &Arc<str>, known: &Known, view: Option<&View>) -> Entry {
        let sent = match &known.content {
            Content::Version(version) => {
                let served = view.and_then(|view| view.get(self.ty, name));
                let same = served.filter(|(_, resource)| resource.version == *version);
                Sent::Resource(version.clone(), same.map(|(_, r)| r.body.clone()))
            }
            Content::Absent => Sent::Absence,
            Content::Other => Sent::Nothing,
        };
        let answer = match known.standing {
            _ if sent == Sent::Nothing => Answer::NotSent,
            Standing::Unanswered => Answer::Awaited,
            Standing::Accepted => Answer::Accepted,
            Standing::Rejected => Answer::Rejected(self.reason.clone().unwrap_or_default()),
        };
        Entry {
            ty: self.ty,
            name: Arc::clone(name),
            sent,
            answer,
        }
    }
}
