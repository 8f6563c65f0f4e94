//! What copies are watched for, and what was found.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

use crate::model::Findings;
use crate::model::Model;
use crate::observe;
use crate::observe::Watching;
use crate::pipeline::Step;
use crate::server::Held;
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
        let held = model.groups.iter().filter_map(|(id, group)| {
            let quarantine = group.quarantine.as_ref()?;
            Some((id.clone(), quarantine.rules.clone()))
        });
        self.stats.refusals().expect(Held {
            nodes: Arc::clone(&model.nodes),
            rules: held.collect(),
        });
        let gates = step.ramps.iter();
        let gates = gates.filter_map(|(rule, progress)| Some((rule.clone(), progress.gated?)));
        let exceeded = step
            .budgets
            .iter()
            .filter(|(_, (_, blown))| blown.is_some());
        let all = Watching {
            budgets,
            exceeded: exceeded.map(|(rule, _)| rule.clone()).collect(),
            rates: (*step.rates).clone(),
            gates: gates.collect(),
        };
        self.stats.loads().want(observe::wanted(model, &all));
        // The others are decided by whoever writes statuses.
        let mut watched = all;
        watched.rates.retain(|_, rate| rate.local);
        watched.gates.retain(|rule, _| {
            let progress = step.ramps.get(rule);
            progress.is_some_and(|progress| progress.local)
        });
        self.watched.send_if_modified(|before| {
            let differs = **before != watched;
            if differs {
                *before = Arc::new(watched);
            }
            differs
        });
    }
}
