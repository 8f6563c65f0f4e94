//! What a stream says of itself: to the counters, to the roster and to the log.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::time::Instant;
use tracing::Span;

use super::node::Node;
use super::roster::Delivery;
use super::roster::Event;
use super::roster::Look;
use super::roster::Rejection;
use super::roster::Seat;
use super::roster::Sidecar;
use super::stats::OpenStream;
use super::stats::Stats;
use super::stream::Progress;
use super::stream::Response;
use super::stream::Variant;
use super::trials::Ballot;
use crate::model::GroupId;
use crate::snapshot::ResourceType;

/// How much of a rejection is kept and logged; Envoy repeats the whole resource in it.
const REASON: usize = 300;

/// How many responses are remembered until they are answered. A client of the incremental variant may leave
/// any number unanswered.
const IN_FLIGHT: usize = 80;

/// The state of each type, in the order of `ResourceType::ALL`; `None` is a type that the client did not ask for.
pub(super) type Standing = [Option<Progress>; ResourceType::ALL.len()];

/// A response that is not answered yet.
#[derive(Debug)]
struct Sent {
    ty: ResourceType,
    nonce: u64,
    version: Arc<str>,
    at: Instant,
}

/// The journal of one stream. Dropped, it leaves nothing behind but what counters counted.
#[derive(Debug)]
pub(super) struct Journal {
    stats: Arc<Stats>,
    variant: Variant,
    peer: Option<SocketAddr>,
    seat: Option<(Seat, SystemTime)>,
    /// Its part in the trial of a configuration, while it is in one.
    ballot: Option<Ballot>,
    group: Option<GroupId>,
    events: [Events; ResourceType::ALL.len()],
    /// In the order in which they were sent.
    in_flight: VecDeque<Sent>,
    _open: OpenStream,
}

/// What last happened to a type.
#[derive(Debug, Default)]
struct Events {
    sent: Option<Event>,
    acked: Option<Event>,
    nacked: Option<Rejection>,
}

impl Journal {
    /// A stream was opened.
    pub(super) fn open(stats: &Arc<Stats>, variant: Variant, peer: Option<SocketAddr>) -> Self {
        Self {
            stats: Arc::clone(stats),
            variant,
            peer,
            seat: None,
            ballot: None,
            group: None,
            events: Default::default(),
            in_flight: VecDeque::new(),
            _open: stats.open_stream(variant),
        }
    }

    /// The client said who it is. Whoever wants to know how it is will `look`.
    pub(super) fn identified(&mut self, node: &Node, look: Look) {
        Span::current().record("node", &*node.id);
        tracing::info!("stream opened");
        let seat = self.stats.roster().join(&node.id, look);
        self.seat = Some((seat, SystemTime::now()));
    }

    /// What there is to say of the client, which is this node and stands like this.
    pub(super) fn sidecar(&self, node: &Node, standing: Standing) -> Option<Sidecar> {
        let (_, since) = self.seat.as_ref()?;
        let types = ResourceType::ALL.into_iter();
        let types = types.filter_map(|ty| {
            let events = &self.events[ty as usize];
            let delivery = Delivery {
                progress: standing[ty as usize]?,
                sent: events.sent.clone(),
                acked: events.acked.clone(),
                nacked: events.nacked.clone(),
            };
            Some((ty, delivery))
        });
        Some(Sidecar {
            node: Arc::clone(&node.id),
            agent: Arc::clone(&node.agent),
            agent_version: Arc::clone(&node.agent_version),
            variant: self.variant,
            peer: self.peer,
            since: *since,
            group: self.group.clone(),
            types: types.collect(),
        })
    }

    /// The client is sent the configuration of a group.
    pub(super) fn belongs_to(&mut self, group: &GroupId) {
        if self.group.as_ref() == Some(group) {
            return;
        }
        // A field of a span is written once: a second value would stand beside the first.
        match &self.group {
            None => drop(Span::current().record("group", tracing::field::display(group))),
            Some(_) => tracing::debug!(%group, "moved to another group"),
        }
        self.group = Some(group.clone());
    }

    /// The client tries a configuration for others, or does not any more.
    pub(super) fn tries(&mut self, trial: Option<u64>) {
        if self.ballot.as_ref().map(Ballot::trial) == trial {
            return;
        }
        let ballot = |(trial, (seat, _)): (u64, &(Seat, SystemTime))| {
            Ballot::new(&self.stats, trial, seat.instance(self.peer), seat.stream())
        };
        self.ballot = trial.zip(self.seat.as_ref()).map(ballot);
    }

    /// A response of so many bytes is sent.
    pub(super) fn pushed(&mut self, response: &Response, bytes: usize, now: Instant) {
        let type_url = &*response.type_url;
        let Some(ty) = ResourceType::from_type_url(type_url) else {
            tracing::debug!(type_url, "answered for a type that is not served");
            return;
        };
        let version = response.version.text();
        tracing::debug!(
            "type" = ty.short_name(),
            version = &*version,
            resources = response.resources.len() + response.removed.len(),
            bytes,
            "pushed",
        );
        self.stats.count_push(ty, bytes);
        if let Some(ballot) = &mut self.ballot {
            ballot.sent(response.nonce);
        }
        if self.in_flight.len() == IN_FLIGHT {
            self.in_flight.pop_front();
        }
        self.in_flight.push_back(Sent {
            ty,
            nonce: response.nonce,
            version: Arc::clone(&version),
            at: now,
        });
        self.events[ty as usize].sent = Some(event(version));
    }

    /// A response was accepted.
    pub(super) fn accepted(&mut self, ty: ResourceType, nonce: u64, now: Instant) {
        let sent = self.answered(ty, nonce);
        self.stats
            .count_ack(ty, sent.as_ref().map(|sent| now - sent.at));
        if let Some(sent) = sent {
            self.events[ty as usize].acked = Some(event(sent.version));
        }
    }

    /// A response was rejected.
    pub(super) fn rejected(&mut self, ty: ResourceType, nonce: u64, message: &str) {
        let message: String = message.chars().take(REASON).collect();
        let version = self.answered(ty, nonce).map(|sent| sent.version);
        self.stats.count_nack(ty);
        tracing::warn!(
            code = "MP503",
            "type" = ty.short_name(),
            version = version.as_deref(),
            nonce,
            error = message,
            "the configuration was rejected",
        );
        if let Some(ballot) = &self.ballot {
            ballot.rejected(ty, nonce, &message);
        }
        let event = event(version.unwrap_or_default());
        self.events[ty as usize].nacked = Some(Rejection { event, message });
    }

    /// A request answered an older response than the last.
    pub(super) fn stale(&self, ty: ResourceType) {
        self.stats.count_stale(ty);
        tracing::trace!("type" = ty.short_name(), "stale nonce");
    }

    /// How far each type is, after anything happened.
    pub(super) fn stands(&mut self, standing: Standing) {
        if let Some(ballot) = &mut self.ballot {
            ballot.stands(standing);
        }
    }

    /// The response that was answered. What was sent before it is not waited for any more.
    fn answered(&mut self, ty: ResourceType, nonce: u64) -> Option<Sent> {
        let of_it = |sent: &Sent| sent.ty == ty && sent.nonce == nonce;
        let index = self.in_flight.iter().position(of_it)?;
        let answered = self.in_flight.remove(index);
        self.in_flight
            .retain(|sent| sent.ty != ty || sent.nonce > nonce);
        answered
    }
}

fn event(version: Arc<str>) -> Event {
    Event {
        version,
        time: SystemTime::now(),
    }
}
