//! What copies are watched for, and what was found.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

use crate::model::Findings;
use crate::model::Model;
use crate::observe;
use crate::observe::Watching;
use crate::pipeline::Step;
use crate::server::Stats;

/// Both ends of it.
pub(super) struct Observing {
    pub(super) stats: Arc<Stats>,
    pub(super) watched: watch::Sender<Arc<Watching>>,
    pub(super) found: watch::Receiver<Arc<Findings>>,
}

impl Observing {
    /// Watches what is served now, and asks sidecars for what it takes.
    pub(super) fn watch(&self, step: &Step, model: &Model) {
        let budgets = step.budgets.iter();
        let budgets: BTreeMap<_, _> = budgets
            .map(|(rule, (watched, _))| (rule.clone(), *watched))
            .collect();
        let loads = self.stats.loads();
        loads.want(observe::wanted(model, &budgets, &step.rates));
        let alone = step.rates.iter().filter(|(_, rate)| rate.local);
        let watched = Watching {
            budgets,
            rates: alone.map(|(rule, rate)| (rule.clone(), *rate)).collect(),
        };
        self.watched.send_if_modified(|before| {
            let differs = **before != watched;
            if differs {
                *before = Arc::new(watched);
            }
            differs
        });
    }
}
