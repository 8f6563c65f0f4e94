//! What is seen of the roll-outs: how they stand, and how many there were.

use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::sync::watch;

use super::machine::Event;
use super::machine::What;
use super::status::Stage;
use super::status::Status;
use crate::snapshot::World;

type Label = [(&'static str, &'static str); 1];

/// How a roll-out can end, as the metrics call it.
const OUTCOMES: [&str; 4] = ["accepted", "timeout", "stopped", "superseded"];

/// The roll-outs of one server: written by [`run`](super::run()), read by whoever asks.
#[derive(Debug)]
pub struct Board {
    standing: watch::Sender<Standing>,
    started: Counter,
    ended: Family<Label, Counter>,
    now: Family<Label, Gauge>,
}

/// How things stand at a moment.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// The world that is rolled out; absent before the first.
    pub target: Option<Arc<World>>,
    /// The changes of it that are not everywhere, in the order of their groups.
    pub rollouts: Vec<Status>,
}

impl Default for Board {
    fn default() -> Self {
        let ended: Family<Label, Counter> = Family::default();
        for outcome in OUTCOMES {
            drop(ended.get_or_create(&[("outcome", outcome)]));
        }
        let board = Self {
            standing: watch::Sender::new(Standing::default()),
            started: Counter::default(),
            ended,
            now: Family::default(),
        };
        board.count_now(&[]);
        board
    }
}

impl Board {
    /// Offers everything that is counted to a registry.
    pub fn register(&self, registry: &mut Registry) {
        let rollouts = registry.sub_registry_with_prefix("rollouts");
        rollouts.register(
            "started",
            "Changes that were sent to canaries first",
            self.started.clone(),
        );
        rollouts.register(
            "ended",
            "Roll-outs that went on to all (accepted, timeout), were stopped, or gave way to something newer",
            self.ended.clone(),
        );
        registry.register(
            "rollouts",
            "Changes that are not everywhere now: being tried, or stopped",
            self.now.clone(),
        );
    }

    /// The changes that are not everywhere now, in the order of their groups.
    pub fn rollouts(&self) -> Vec<Status> {
        self.standing.borrow().rollouts.clone()
    }

    /// How things stand, now and after every change.
    pub fn subscribe(&self) -> watch::Receiver<Standing> {
        self.standing.subscribe()
    }

    pub(super) fn happened(&self, event: &Event) {
        let outcome = match event.what {
            What::Started => {
                self.started.inc();
                return;
            }
            What::Accepted => "accepted",
            What::TimedOut => "timeout",
            What::Stopped => "stopped",
            What::Superseded => "superseded",
        };
        self.ended.get_or_create(&[("outcome", outcome)]).inc();
    }

    pub(super) fn stands(&self, standing: Standing) {
        self.count_now(&standing.rollouts);
        self.standing.send_replace(standing);
    }

    fn count_now(&self, rollouts: &[Status]) {
        let trying = rollouts.iter().filter(|one| one.stage == Stage::Trying);
        let trying = trying.count();
        for (state, count) in [("trying", trying), ("stopped", rollouts.len() - trying)] {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.now.get_or_create(&[("state", state)]).set(count);
        }
    }
}
