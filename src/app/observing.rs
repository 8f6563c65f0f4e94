//! What copies are watched for, and what was found.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

use crate::model::Findings;
use crate::model::Model;
use crate::model::Watched;
use crate::name::Namespaced;
use crate::observe;
use crate::pipeline::Step;
use crate::server::Stats;

/// Both ends of it.
pub(super) struct Observing {
    pub(super) stats: Arc<Stats>,
    pub(super) watched: watch::Sender<Arc<BTreeMap<Namespaced, Watched>>>,
    pub(super) found: watch::Receiver<Arc<Findings>>,
}

impl Observing {
    /// Watches what is served now, and asks sidecars for what it takes.
    pub(super) fn watch(&self, step: &Step, model: &Model) {
        let budgets = step.budgets.iter();
        let watched: BTreeMap<_, _> = budgets
            .map(|(rule, (watched, _))| (rule.clone(), *watched))
            .collect();
        self.stats.loads().want(observe::wanted(model, &watched));
        self.watched.send_if_modified(|before| {
            let differs = **before != watched;
            if differs {
                *before = Arc::new(watched);
            }
            differs
        });
    }
}
