//! How far each rule is held down at a moment, why, and until when. Pure: time is given.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;
use std::time::SystemTime;

use prost_types::Timestamp;

use super::Caps;
use super::ramp::Stage;
use super::ramp::stage;
use crate::api::annotation::RESUMED;
use crate::api::plugin::PluginConfig;
use crate::diag::Code;
use crate::diag::Diagnostic;
use crate::diag::FieldPath;
use crate::diag::Report;
use crate::model::Blown;
use crate::model::Brake;
use crate::model::Findings;
use crate::model::Fraction;
use crate::model::Ramp;
use crate::model::Watched;
use crate::name::Namespaced;
use crate::source::Objects;
use crate::source::Sourced;

/// How far ahead of ours a clock may be that somebody resumes a budget by.
const AHEAD: Duration = Duration::from_secs(60);

/// What holds shares down at a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// The most that each rule may mirror.
    pub caps: Caps,
    /// How far the ramps are.
    pub ramps: BTreeMap<Namespaced, Progress>,
    /// The budgets, and which of them were exceeded.
    pub budgets: BTreeMap<Namespaced, (Watched, Option<Blown>)>,
    /// The largest shares for the sake of a rate, and whether this process alone decides them.
    pub rates: BTreeMap<Namespaced, (NonZeroU32, Fraction, bool)>,
    /// What there is to say about it.
    pub report: Report,
    /// When any of it changes by itself.
    pub until: Option<SystemTime>,
}

/// How far a ramp is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Names its steps.
    pub of: String,
    /// When it began; `None` if that is to be recorded by whoever writes statuses.
    pub start: Option<SystemTime>,
    /// Where it is, of how many steps; `None` before its start is recorded.
    pub stage: Option<(Stage, usize)>,
}

/// The share of a rule with a rate, as long as nobody knows how many requests there are.
pub const CAREFUL: Fraction = Fraction::HUNDREDTH;

/// Since when this process knows the ramps whose start is written nowhere, and which steps they had.
#[derive(Clone, Debug, Default)]
pub struct Begun(BTreeMap<Namespaced, (String, SystemTime)>);

/// Who knows when a ramp begins.
#[derive(Clone, Copy, PartialEq)]
enum Start {
    /// Everybody, then and later.
    Known(SystemTime),
    /// This process, as long as it lives.
    Seen(SystemTime),
    /// Nobody yet.
    Unrecorded,
}

/// What holds the shares of these rules down at `now`. `found` are the budgets that this process found exceeded.
pub fn hold(
    brakes: &BTreeMap<Namespaced, Brake>,
    objects: &Objects,
    begun: &mut Begun,
    found: &Findings,
    now: SystemTime,
) -> Held {
    let mut held = Held::default();
    let has_ramp = |brake: &Brake| brake.ramp.is_some();
    begun
        .0
        .retain(|rule, _| brakes.get(rule).is_some_and(has_ramp));
    for (rule, brake) in brakes {
        let config = objects.plugin_configs.get(rule);
        if let (Some(ramp), Some(config)) = (&brake.ramp, config) {
            let start = begun.start(rule, ramp, config, now);
            held.ramp(rule, ramp, config, start, now);
        }
        if let (Some(watched), Some(config)) = (brake.watched, config) {
            let watched = held.resumed(watched, config, now);
            let blown = found
                .blown
                .get(rule)
                .filter(|one| watched.counts(one))
                .cloned();
            let blown = recorded(&watched, config).or(blown);
            held.budget(rule, watched, config, blown);
            let silent = found.silent.get(rule);
            held.report
                .extend(silent.map(|silent| unjudged(*silent, config, "budget")));
        }
        if let (Some(limit), Some(config)) = (brake.rate, config) {
            let silent = found.silent.get(rule);
            let unjudged = silent.map(|silent| unjudged(*silent, config, "maxRequestsPerSecond"));
            held.report.extend(unjudged);
            let local = config.origin.document.is_some();
            let share = match local {
                true => found.shares.get(rule).copied(),
                false => recorded_share(config),
            };
            // One of 0 would be for ever: of nothing nobody learns how much there may be.
            let share = share.filter(|share| *share > Fraction::ZERO);
            let share = share.unwrap_or(CAREFUL);
            held.rates.insert(rule.clone(), (limit, share, local));
        }
        if brake.stopped {
            held.caps.insert(rule.clone(), Fraction::ZERO);
        }
    }
    held
}

impl Begun {
    fn start(
        &mut self,
        rule: &Namespaced,
        ramp: &Ramp,
        config: &Sourced<PluginConfig>,
        now: SystemTime,
    ) -> Start {
        if let Some(start) = ramp.start {
            return Start::Known(start);
        }
        let of = ramp.identity();
        // A file has no status but one that was copied from somewhere.
        if config.origin.document.is_some() {
            let known = self.0.entry(rule.clone());
            let known = known.or_insert_with(|| (of.clone(), now));
            if known.0 != of {
                *known = (of, now);
            }
            return Start::Seen(known.1);
        }
        let recorded = config.object.status.ramp.as_ref();
        let recorded = recorded.filter(|recorded| recorded.of == of);
        let start = recorded.and_then(|recorded| recorded.started_at.parse::<Timestamp>().ok());
        let start = start.and_then(|start| SystemTime::try_from(start).ok());
        start.map_or(Start::Unrecorded, Start::Known)
    }
}

impl Held {
    /// The budget without a resumption that means nothing: one in the future would let go by all that is found until then.
    fn resumed(
        &mut self,
        watched: Watched,
        config: &Sourced<PluginConfig>,
        now: SystemTime,
    ) -> Watched {
        let Some(given) = config.object.metadata.annotations.get(RESUMED) else {
            return watched;
        };
        let ahead = |resumed: SystemTime| resumed.duration_since(now).unwrap_or_default();
        if watched
            .resumed
            .is_some_and(|resumed| ahead(resumed) <= AHEAD)
        {
            return watched;
        }
        let what = match watched.resumed {
            Some(_) => "in the future",
            None => "no time",
        };
        let path = FieldPath::of("metadata.annotations").key(RESUMED);
        let message = format!("it is to be resumed as of {given:?}, which is {what}");
        self.report.push(
            Diagnostic::new(Code::BadResumption, &config.origin, path, message)
                .effect("the annotation is not looked at")
                .help("remove it; `mirrorplane resume` sets it"),
        );
        Watched {
            resumed: None,
            ..watched
        }
    }

    fn budget(
        &mut self,
        rule: &Namespaced,
        watched: Watched,
        config: &Sourced<PluginConfig>,
        blown: Option<Blown>,
    ) {
        if let Some(blown) = &blown {
            self.caps.insert(rule.clone(), Fraction::ZERO);
            let path = FieldPath::of("spec.config.budget");
            let message = format!("its budget is exceeded: {}", blown.reason);
            let diagnostic = Diagnostic::new(Code::BudgetBlown, &config.origin, path, message)
                .effect("its share is 0, and nothing is copied; primary traffic is not affected");
            self.report
                .push(diagnostic.help(match config.origin.document {
                    Some(_) => "change its `spec`, or start the control plane anew".to_owned(),
                    None => format!("`mirrorplane resume {rule}`, or change its `spec`"),
                }));
        }
        self.budgets.insert(rule.clone(), (watched, blown));
    }

    fn ramp(
        &mut self,
        rule: &Namespaced,
        ramp: &Ramp,
        config: &Sourced<PluginConfig>,
        start: Start,
        now: SystemTime,
    ) {
        let start_time = match start {
            Start::Known(time) | Start::Seen(time) => Some(time),
            Start::Unrecorded => None,
        };
        let here = start_time.map(|start| stage(ramp, start, now));
        let cap = here.map_or(Some(Fraction::ZERO), |here| here.cap);
        self.caps.extend(cap.map(|cap| (rule.clone(), cap)));
        let until = here.and_then(|here| here.until);
        self.until = self.until.into_iter().chain(until).min();
        let steps = ramp.steps.len();
        if let Some((code, message)) = said(start, here, steps) {
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
                _ => (
                    "less is mirrored than `percentage` says, as the ramp asks for",
                    "",
                ),
            };
            let diagnostic = Diagnostic::new(code, &config.origin, path, message);
            self.report.push(diagnostic.effect(effect).help(help));
        }
        let progress = Progress {
            of: ramp.identity(),
            start: start_time,
            stage: here.map(|here| (here, steps)),
        };
        self.ramps.insert(rule.clone(), progress);
    }
}

fn unjudged(
    (silent, all): (usize, usize),
    config: &Sourced<PluginConfig>,
    key: &str,
) -> Diagnostic {
    let path = FieldPath::of("spec.config").key(key);
    let message = format!("{silent} of {all} sidecars do not report how copies fare");
    Diagnostic::new(Code::BudgetUnjudged, &config.origin, path, message)
        .effect("their copies do not count for it")
        .help("restart their Pods, or make their bootstraps anew: they were started before budgets were known")
}

fn recorded_share(config: &Sourced<PluginConfig>) -> Option<Fraction> {
    let recorded = config.object.status.rate_share?;
    Fraction::from_millionths(u32::try_from(recorded).ok()?)
}

/// That the budget was exceeded, as all replicas read it; a file has no status.
fn recorded(watched: &Watched, config: &Sourced<PluginConfig>) -> Option<Blown> {
    let recorded = config.object.status.budget.as_ref();
    let recorded = recorded.filter(|_| config.origin.document.is_none())?;
    let blown = Blown {
        of: u64::from_str_radix(&recorded.of, 16).ok()?,
        at: SystemTime::try_from(recorded.blown_at.parse::<Timestamp>().ok()?).ok()?,
        reason: recorded.reason.clone(),
    };
    Some(blown).filter(|blown| watched.counts(blown))
}

/// What there is to say about a ramp.
fn said(start: Start, here: Option<Stage>, steps: usize) -> Option<(Code, String)> {
    let Some(here) = here else {
        let message = "its ramp has not begun: when it does is not recorded yet";
        return Some((Code::RampUnrecorded, message.to_owned()));
    };
    let seen = matches!(start, Start::Seen(_));
    let where_ = match (here.cap, here.until) {
        (None, _) if seen => "its ramp is over".to_owned(),
        (None, _) => return None,
        (Some(_), Some(until)) if here.step == 0 => {
            format!("its ramp begins at {}", Timestamp::from(until))
        }
        (Some(cap), until) => {
            // Where only this process knows the start, the time says nothing to anybody else.
            let until = until.filter(|_| !seen);
            let until = until.map(|until| format!(", until {}", Timestamp::from(until)));
            let step = here.step;
            let until = until.unwrap_or_default();
            format!("its ramp is at step {step} of {steps}: at most {cap}{until}")
        }
    };
    Some(if seen {
        let message = format!("{where_}, counted from when this process first saw it");
        (Code::RampNotResumable, message)
    } else {
        (Code::RampUnderWay, where_)
    })
}
