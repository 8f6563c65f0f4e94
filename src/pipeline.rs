//! The pure middle of the control plane as one step: a state of the world goes in, what is to be served comes out.
//!
//! `serve` takes a step for each change of its source, `check` and `translate` take a single one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use tracing::debug_span;

use crate::brake;
use crate::brake::Begun;
use crate::brake::Progress;
use crate::diag::Report;
use crate::model::Blown;
use crate::model::Findings;
use crate::model::GroupId;
use crate::model::Model;
use crate::model::Rate;
use crate::model::Watched;
use crate::name::Namespaced;
use crate::resolve::Kept;
use crate::resolve::Settings;
use crate::resolve::refused;
use crate::resolve::resolve;
use crate::snapshot::Built;
use crate::snapshot::Dangling;
use crate::snapshot::World;
use crate::snapshot::build;
use crate::source::Objects;

/// What the last step yielded, so that the next one keeps what did not change.
#[derive(Debug)]
pub struct Pipeline {
    settings: Settings,
    kept: Kept,
    begun: Begun,
    last: Option<Built>,
}

/// What one step yields.
#[derive(Debug)]
pub struct Step {
    /// What is to be served.
    pub world: Arc<World>,
    /// What there is to say about the objects.
    pub report: Report,
    /// Groups that could not be served as the objects have them, and why: references to nothing. They keep what they had.
    pub faults: Vec<(GroupId, Vec<Dangling>)>,
    /// How far ramps are.
    pub ramps: Arc<BTreeMap<Namespaced, Progress>>,
    /// The budgets, and which of them were exceeded.
    pub budgets: Arc<BTreeMap<Namespaced, (Watched, Option<Blown>)>>,
    /// How many copies there may be in a second, and the shares for that.
    pub rates: Arc<BTreeMap<Namespaced, Rate>>,
    /// About how many calls were refused for each rule that asks for a quarantine, by the sidecars of this process.
    pub refused: Arc<BTreeMap<Namespaced, u64>>,
    /// When the same objects come to something else: the next step of a ramp.
    pub until: Option<SystemTime>,
}

impl Pipeline {
    /// A pipeline that has not seen anything yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            kept: Kept::default(),
            begun: Begun::default(),
            last: None,
        }
    }

    /// Takes the next state of the world, at this moment.
    pub fn step(&mut self, objects: &Objects) -> Step {
        self.step_at(objects, &Findings::default(), SystemTime::now())
    }

    /// Takes the next state of the world, or the same at another time. `found` is what
    /// sidecars show. Total: whatever is wrong with the objects is in the report.
    pub fn step_at(&mut self, objects: &Objects, found: &Findings, now: SystemTime) -> Step {
        let resolved =
            debug_span!("resolve").in_scope(|| resolve(objects, &self.settings, &self.kept));
        self.kept = resolved.kept;
        let held = brake::hold(&resolved.brakes, objects, &mut self.begun, found, now);
        let model = brake::apply(resolved.model, &held.caps);
        let mut report = resolved.report;
        let (rates, caps, held_by_rates) = brake::rates(&held, &model, objects);
        let model = brake::apply(model, &caps);
        report.merge(held.report);
        report.merge(held_by_rates);
        report.merge(refused(found, objects));
        let totals = found.refused.iter();
        let totals = totals.map(|(rule, refused)| (rule.clone(), refused.total));
        let (built, faults) = debug_span!("build").in_scope(|| build(model, self.last.as_ref()));
        let world = Arc::clone(&built.world);
        self.last = Some(built);
        Step {
            world,
            report,
            faults,
            ramps: Arc::new(held.ramps),
            budgets: Arc::new(held.budgets),
            rates: Arc::new(rates),
            refused: Arc::new(totals.collect()),
            until: held.until,
        }
    }

    /// The model of the last step.
    pub fn model(&self) -> Option<&Model> {
        self.last.as_ref().map(|built| &built.model)
    }
}
