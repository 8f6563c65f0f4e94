//! The pure middle of the control plane as one step: a state of the world goes in, what is to be served comes out.
//!
//! `serve` takes a step for each change of its source, `check` and `translate` take a single one.

use std::sync::Arc;

use tracing::debug_span;

use crate::brake;
use crate::brake::Caps;
use crate::diag::Report;
use crate::model::Fraction;
use crate::model::GroupId;
use crate::model::Model;
use crate::resolve::Kept;
use crate::resolve::Settings;
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
}

impl Pipeline {
    /// A pipeline that has not seen anything yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            kept: Kept::default(),
            last: None,
        }
    }

    /// Takes the next state of the world. Total: whatever is wrong with the objects is in the report.
    pub fn step(&mut self, objects: &Objects) -> Step {
        let resolved =
            debug_span!("resolve").in_scope(|| resolve(objects, &self.settings, &self.kept));
        self.kept = resolved.kept;
        let stopped = resolved.stopped.into_iter();
        let caps: Caps = stopped.map(|rule| (rule, Fraction::ZERO)).collect();
        let model = brake::apply(resolved.model, &caps);
        let (built, faults) = debug_span!("build").in_scope(|| build(model, self.last.as_ref()));
        let world = Arc::clone(&built.world);
        self.last = Some(built);
        Step {
            world,
            report: resolved.report,
            faults,
        }
    }

    /// The model of the last step.
    pub fn model(&self) -> Option<&Model> {
        self.last.as_ref().map(|built| &built.model)
    }
}
