//! What is counted.

use std::fmt;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::sidecar::inject::Reason;

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

/// What the webhooks were asked, and how they answered.
pub struct Stats {
    requests: Family<Labels, Counter>,
    seconds: Family<Label, Histogram, fn() -> Histogram>,
    injections: Family<Label, Counter>,
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
        };
        // Zero is a number too.
        for outcome in Reason::ALL
            .map(Reason::label)
            .into_iter()
            .chain(["injected"])
        {
            drop(stats.injections.get_or_create(&[("outcome", outcome)]));
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
}
