//! What a stream says of itself: to the counters, to the roster and to the log.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::time::Instant;
use tracing::Span;

use super::node::Node;
use super::roster::Event;
use super::roster::Rejection;
use super::roster::Seat;
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

/// How many responses of a type are remembered until they are answered. A client of the incremental variant may leave
/// any number unanswered.
const IN_FLIGHT: usize = 16;

/// The state of each type, in the order of `ResourceType::ALL`; `None` is a type that the client did not ask for.
pub(super) type Standing = [Option<Progress>; ResourceType::ALL.len()];

/// A response that is not answered yet.
#[derive(Debug)]
struct Sent {
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
    seat: Option<Seat>,
    /// Its part in the trial of a configuration, while it is in one.
    ballot: Option<Ballot>,
    group: Option<GroupId>,
    standing: Standing,
    in_flight: [VecDeque<Sent>; ResourceType::ALL.len()],
    _open: OpenStream,
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
            standing: Standing::default(),
            in_flight: Default::default(),
            _open: stats.open_stream(variant),
        }
    }

    /// The client said who it is.
    pub(super) fn identified(&mut self, node: &Node) {
        Span::current().record("node", &*node.id);
        tracing::info!("stream opened");
        self.seat = Some(self.stats.roster().join(node, self.variant, self.peer));
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
        if let Some(seat) = &self.seat {
            seat.note(|sidecar| sidecar.group = Some(group.clone()));
        }
    }

    /// The client tries a configuration for others, or does not any more.
    pub(super) fn tries(&mut self, trial: Option<u64>) {
        if self.ballot.as_ref().map(Ballot::trial) == trial {
            return;
        }
        let ballot = |(trial, seat): (u64, &Seat)| {
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
        let in_flight = &mut self.in_flight[ty as usize];
        if in_flight.len() == IN_FLIGHT {
            in_flight.pop_front();
        }
        let nonce = response.nonce;
        if let Some(ballot) = &mut self.ballot {
            ballot.sent(nonce);
        }
        in_flight.push_back(Sent {
            nonce,
            version: Arc::clone(&version),
            at: now,
        });
        let event = event(version);
        if let Some(seat) = &self.seat {
            seat.note(|sidecar| sidecar.delivery(ty).sent = Some(event));
        }
    }

    /// A response was accepted.
    pub(super) fn accepted(&mut self, ty: ResourceType, nonce: u64, now: Instant) {
        let sent = self.answered(ty, nonce);
        self.stats
            .count_ack(ty, sent.as_ref().map(|sent| now - sent.at));
        if let (Some(seat), Some(sent)) = (&self.seat, sent) {
            let event = event(sent.version);
            seat.note(|sidecar| sidecar.delivery(ty).acked = Some(event));
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
        if let Some(seat) = &self.seat {
            let rejection = Rejection { event, message };
            seat.note(|sidecar| sidecar.delivery(ty).nacked = Some(rejection));
        }
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
        if self.standing == standing {
            return;
        }
        self.standing = standing;
        let Some(seat) = &self.seat else { return };
        seat.note(|sidecar| {
            for (ty, progress) in ResourceType::ALL.into_iter().zip(standing) {
                if let Some(progress) = progress {
                    sidecar.delivery(ty).progress = progress;
                }
            }
        });
    }

    /// The response that was answered. What was sent before it is not waited for any more.
    fn answered(&mut self, ty: ResourceType, nonce: u64) -> Option<Sent> {
        let in_flight = &mut self.in_flight[ty as usize];
        let index = in_flight.iter().position(|sent| sent.nonce == nonce)?;
        in_flight.drain(..=index).next_back()
    }
}

fn event(version: Arc<str>) -> Event {
    Event {
        version,
        time: SystemTime::now(),
    }
}
