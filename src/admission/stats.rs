//! What is counted.

use std::fmt;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tokio::time::Instant;

use crate::name::Namespaced;
use crate::sidecar::inject::Reason;
use crate::throttle::Throttle;

type Labels = [(&'static str, &'static str); 2];
type Label = [(&'static str, &'static str); 1];

/// From a millisecond to what the API server waits at most.
const SECONDS: [f64; 8] = [0.001, 0.005, 0.02, 0.1, 0.5, 1.0, 5.0, 10.0];

/// How a question was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Yes.
    Allowed,
    /// No.
    Refused,
    /// Not at all.
    Failed,
}

/// What annotations that cannot be understood count as.
const MISREAD: &str = "bad_annotation";

/// Why a connection was closed, or a question not read. Nobody needs a credential to come here, so there are limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Away {
    /// There are as many connections as there may be.
    Full,
    /// Its peer has as many connections as it may have.
    Share,
    /// It asked nothing for too long.
    Quiet,
    /// The question was too large.
    Large,
    /// The question took too long to arrive, or there was no room for it.
    Slow,
    /// The question broke off.
    Broken,
}

impl Away {
    const ALL: [Self; 6] = [
        Self::Full,
        Self::Share,
        Self::Quiet,
        Self::Large,
        Self::Slow,
        Self::Broken,
    ];

    fn label(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Share => "share",
            Self::Quiet => "quiet",
            Self::Large => "large",
            Self::Slow => "slow",
            Self::Broken => "broken",
        }
    }
}

/// What the webhooks were asked, and how they answered. The log says it too, but not each time in a flood.
pub struct Stats {
    requests: Family<Labels, Counter>,
    seconds: Family<Label, Histogram, fn() -> Histogram>,
    injections: Family<Label, Counter>,
    away: Family<Label, Counter>,
    throttle: Mutex<Throttle>,
}

impl fmt::Debug for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stats").finish_non_exhaustive()
    }
}

impl Default for Stats {
    fn default() -> Self {
        let stats = Self {
            requests: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            injections: Family::default(),
            away: Family::default(),
            throttle: Mutex::default(),
        };
        // Zero is a number too.
        for outcome in Reason::ALL
            .map(Reason::label)
            .into_iter()
            .chain(["injected", MISREAD])
        {
            drop(stats.injections.get_or_create(&[("outcome", outcome)]));
        }
        for away in Away::ALL {
            drop(stats.away.get_or_create(&[("reason", away.label())]));
        }
        stats
    }
}

impl Stats {
    /// Adds the metrics to those of the process.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "admission_requests",
            "Questions of the Kubernetes API to a webhook, by how they were answered",
            self.requests.clone(),
        );
        registry.register(
            "admission_seconds",
            "How long an answer took",
            self.seconds.clone(),
        );
        registry.register(
            "admission_pods",
            "Pods that the webhook was asked about: injected, or why not",
            self.injections.clone(),
        );
        registry.register(
            "admission_turned_away",
            "Connections to the webhooks that were closed, and questions that were not read, by reason",
            self.away.clone(),
        );
    }

    /// A question to a webhook was answered.
    pub(super) fn answered(&self, webhook: &'static str, outcome: Outcome, took: Duration) {
        let outcome = match outcome {
            Outcome::Allowed => "allowed",
            Outcome::Refused => "refused",
            Outcome::Failed => "failed",
        };
        let labels = [("webhook", webhook), ("outcome", outcome)];
        self.requests.get_or_create(&labels).inc();
        let seconds = self.seconds.get_or_create(&[("webhook", webhook)]);
        seconds.observe(took.as_secs_f64());
    }

    /// It was decided about a Pod; `None` if it gets a sidecar.
    pub(super) fn decided(&self, left: Option<Reason>) {
        let outcome = left.map_or("injected", Reason::label);
        self.injections.get_or_create(&[("outcome", outcome)]).inc();
    }

    /// Annotations of a Pod could not be understood, so it is left as it is.
    pub(super) fn misread(&self, pod: &Namespaced, codes: &[&str]) {
        self.injections.get_or_create(&[("outcome", MISREAD)]).inc();
        if let Some(held_back) = self.may_say() {
            tracing::warn!(%pod, ?codes, held_back, "a Pod gets no sidecar: its annotations cannot be understood");
        }
    }

    /// A connection was closed, or a question not read.
    pub(super) fn turned_away(&self, why: Away, peer: impl fmt::Display) {
        let reason = why.label();
        self.away.get_or_create(&[("reason", reason)]).inc();
        // That a connection is not needed any more is nothing to warn of.
        if why == Away::Quiet {
            tracing::debug!(%peer, "a connection to the webhooks asked nothing");
        } else if let Some(held_back) = self.may_say() {
            tracing::warn!(%peer, reason, held_back, "a client of the webhooks was turned away");
        }
    }

    /// A question had no answer.
    pub(super) fn unanswered(&self, webhook: &str, why: &str) {
        if let Some(held_back) = self.may_say() {
            tracing::warn!(webhook, why, held_back, "a question was not answered");
        }
    }

    /// How often something was turned away for a reason.
    #[cfg(test)]
    pub(super) fn count(&self, why: Away) -> u64 {
        self.away.get_or_create(&[("reason", why.label())]).get()
    }

    fn may_say(&self) -> Option<u64> {
        let mut throttle = self.throttle.lock().unwrap_or_else(PoisonError::into_inner);
        throttle.admit(Instant::now())
    }
}
