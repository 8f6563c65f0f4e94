//! How the ramps have gone: as their objects say, as is recorded in their statuses, or as this process has seen it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use prost_types::Timestamp;

use super::Held;
use super::course::Course;
use super::course::Halt;
use super::ramp::Stage;
use super::ramp::stage;
use crate::api::plugin::PluginConfig;
use crate::diag::Code;
use crate::diag::Diagnostic;
use crate::diag::FieldPath;
use crate::model::Brake;
use crate::model::Findings;
use crate::model::Fraction;
use crate::model::Gated;
use crate::model::Ramp;
use crate::model::Verdict;
use crate::name::Namespaced;
use crate::source::Sourced;

/// How far a ramp is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Its steps.
    pub ramp: Arc<Ramp>,
    /// How it has gone; `None` if its start is to be recorded by whoever writes statuses.
    pub course: Option<Course>,
    /// Why nothing is copied whatever the step, if that is so.
    pub halt: Option<Halt>,
    /// Where it is; `None` before its start is recorded.
    pub stage: Option<Stage>,
    /// The step that it is in, if that has a gate.
    pub gated: Option<Gated>,
    /// Whether this process alone remembers it, since there is no status to share.
    pub local: bool,
}

/// How the ramps that are recorded nowhere have gone since this process knows them, and which steps they had.
#[derive(Clone, Debug, Default)]
pub struct Begun(BTreeMap<Namespaced, (String, Course)>);

/// Who knows how a ramp has gone.
#[derive(Clone, Copy, PartialEq)]
enum Known {
    /// Everybody, then and later.
    ToAll,
    /// This process, as long as it lives.
    Here,
}

impl Begun {
    /// Forgets all but these.
    pub(super) fn retain(&mut self, brakes: &BTreeMap<Namespaced, Brake>) {
        let has_ramp = |brake: &Brake| brake.ramp.is_some();
        self.0
            .retain(|rule, _| brakes.get(rule).is_some_and(has_ramp));
    }

    /// How a ramp has gone until `now`.
    pub(super) fn progress(
        &mut self,
        rule: &Namespaced,
        ramp: &Arc<Ramp>,
        config: &Sourced<PluginConfig>,
        halt: Option<Halt>,
        found: &Findings,
        now: SystemTime,
    ) -> Progress {
        // A file has no status but one that was copied from somewhere.
        let local = config.origin.document.is_some();
        let course = if local {
            Some(self.here(rule, ramp, halt, found, now))
        } else {
            let recorded = config.object.status.ramp.as_ref();
            let recorded = recorded.and_then(|recorded| Course::recorded(ramp, recorded));
            recorded.or_else(|| ramp.start.map(Course::new))
        };
        Progress {
            ramp: Arc::clone(ramp),
            course,
            halt,
            stage: course.map(|course| stage(ramp, &course, now)),
            gated: course.and_then(|course| course.gated(ramp, now)),
            local,
        }
    }

    fn here(
        &mut self,
        rule: &Namespaced,
        ramp: &Ramp,
        halt: Option<Halt>,
        found: &Findings,
        now: SystemTime,
    ) -> Course {
        let of = ramp.identity();
        let known = self.0.get(rule).filter(|(steps, _)| *steps == of);
        let known = known.map(|(_, course)| *course);
        // Another start is another one.
        let known = known.filter(|known| ramp.start.is_none_or(|start| start == known.start));
        let course = known.unwrap_or_else(|| Course::new(ramp.start.unwrap_or(now)));
        let gated = course.gated(ramp, now);
        let verdict = found.gates.get(rule);
        let verdict = verdict.filter(|(id, _)| gated.is_some_and(|gated| gated.id == *id));
        let is_open = verdict.is_some_and(|(_, verdict)| *verdict == Verdict::Open);
        let course = course.next(ramp, halt, is_open, now);
        self.0.insert(rule.clone(), (of, course));
        course
    }
}

impl Held {
    /// Takes in a ramp, and what there is to say about it.
    pub(super) fn ramp(
        &mut self,
        rule: &Namespaced,
        progress: Progress,
        config: &Sourced<PluginConfig>,
        found: &Findings,
    ) {
        let cap = progress.stage.map_or(Some(Fraction::ZERO), |here| here.cap);
        self.caps.extend(cap.map(|cap| (rule.clone(), cap)));
        let until = progress.stage.and_then(|here| here.until);
        self.until = self.until.into_iter().chain(until).min();
        if let Some((code, message)) = progress.said(rule, config, found) {
            let path = FieldPath::of("spec.config.ramp");
            let (effect, help) = match code {
                Code::RampNotResumable => (
                    "it begins anew whenever the control plane starts",
                    "write `ramp.start`, the time at which the first step begins",
                ),
                Code::RampUnrecorded => (
                    "nothing is mirrored until then",
                    "it takes a control plane that writes statuses, and definitions that keep them; or write `ramp.start`",
                ),
                Code::RampWaits => (
                    "less is mirrored than `percentage` says, until that is so",
                    "look at what the shadow answers; or change `gate` or `ramp`, which begins anew then",
                ),
                _ => (
                    "less is mirrored than `percentage` says, as the ramp asks for",
                    "",
                ),
            };
            let diagnostic = Diagnostic::new(code, &config.origin, path, message);
            self.report.push(diagnostic.effect(effect).help(help));
        }
        self.ramps.insert(rule.clone(), progress);
    }
}

impl Progress {
    /// What there is to say about it.
    fn said(
        &self,
        rule: &Namespaced,
        config: &Sourced<PluginConfig>,
        found: &Findings,
    ) -> Option<(Code, String)> {
        let Some(here) = self.stage else {
            let message = "its ramp has not begun: when it does is not recorded yet";
            return Some((Code::RampUnrecorded, message.to_owned()));
        };
        let known = match self.local && self.ramp.start.is_none() {
            true => Known::Here,
            false => Known::ToAll,
        };
        let (step, steps) = (here.step, self.ramp.steps.len());
        let halt = self.halt.filter(|_| here.step > 0).map(Halt::reason);
        let where_ = match (here.cap, here.until, halt) {
            (None, _, _) if known == Known::Here => "its ramp is over".to_owned(),
            (None, _, _) => return None,
            (Some(_), Some(until), _) if here.step == 0 => {
                format!("its ramp begins at {}", Timestamp::from(until))
            }
            (Some(cap), _, Some(why)) => {
                format!("its ramp stays at step {step} of {steps}, at most {cap}: {why}")
            }
            (Some(cap), _, None) if here.waits => {
                let asked = self.asked(here.step);
                let why = self.waits(rule, config, found);
                let why = why.map(|why| format!(": {why}")).unwrap_or_default();
                let message = format!(
                    "its ramp waits at step {step} of {steps}, at most {cap}, for {asked}{why}"
                );
                return Some((Code::RampWaits, message));
            }
            (Some(cap), until, None) => {
                // Where only this process knows the start, the time says nothing to anybody else.
                let until = until.filter(|_| known == Known::ToAll);
                let until = until.map(|until| format!(", until {}", Timestamp::from(until)));
                let until = until.unwrap_or_default();
                format!("its ramp is at step {step} of {steps}: at most {cap}{until}")
            }
        };
        Some(match known {
            Known::Here => {
                let message = format!("{where_}, counted from when this process first saw it");
                (Code::RampNotResumable, message)
            }
            Known::ToAll => (Code::RampUnderWay, where_),
        })
    }

    /// What the gate of a step asks for.
    fn asked(&self, step: usize) -> String {
        let step = self.ramp.steps.get(step.saturating_sub(1));
        let Some((step, gate)) = step.and_then(|step| Some((step, step.gate?))) else {
            return String::new();
        };
        let most = gate.max_failures;
        let most = most.map(|most| format!(" of which at most {most} fail"));
        let (least, over) = (gate.min_requests, step.lasts);
        let most = most.unwrap_or_default();
        format!("{least} copies within {over:?}{most}")
    }

    /// Why it waits, as far as anybody knows.
    fn waits(
        &self,
        rule: &Namespaced,
        config: &Sourced<PluginConfig>,
        found: &Findings,
    ) -> Option<String> {
        let gated = self.gated?;
        if !self.local {
            return config.object.status.ramp.as_ref()?.waits.clone();
        }
        let (_, verdict) = found.gates.get(rule).filter(|(id, _)| *id == gated.id)?;
        verdict.reason(&gated.gate)
    }
}
