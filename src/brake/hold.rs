//! How far each rule is held down at a moment, why, and until when. Pure: time is given.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;
use std::time::SystemTime;

use prost_types::Timestamp;

use super::Caps;
use super::begun::Begun;
use super::begun::Progress;
use super::course::Halt;
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

/// The share of a rule with a rate, as long as nobody knows how many requests there are.
pub const CAREFUL: Fraction = Fraction::HUNDREDTH;

/// What holds the shares of these rules down at `now`. `found` are the budgets that this process found exceeded.
pub fn hold(
    brakes: &BTreeMap<Namespaced, Brake>,
    objects: &Objects,
    begun: &mut Begun,
    found: &Findings,
    now: SystemTime,
) -> Held {
    let mut held = Held::default();
    begun.retain(brakes);
    for (rule, brake) in brakes {
        let config = objects.plugin_configs.get(rule);
        let mut halt = match (brake.stopped, brake.idle) {
            (true, _) => Some(Halt::Stopped),
            (false, idle) => idle.then_some(Halt::Off),
        };
        if let (Some(watched), Some(config)) = (brake.watched, config) {
            let watched = held.resumed(watched, config, now);
            let blown = found
                .blown
                .get(rule)
                .filter(|one| watched.counts(one))
                .cloned();
            let blown = recorded(&watched, config).or(blown);
            halt = blown.as_ref().map(|blown| Halt::Blown(blown.at)).or(halt);
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
        if let (Some(ramp), Some(config)) = (&brake.ramp, config) {
            let progress = begun.progress(rule, ramp, config, halt, found, now);
            if progress.gated.is_some() {
                let silent = found.silent.get(rule);
                let unjudged = silent.map(|silent| unjudged(*silent, config, "ramp"));
                held.report.extend(unjudged);
            }
            held.ramp(rule, progress, config, found);
        }
        if halt.is_some() {
            held.caps.insert(rule.clone(), Fraction::ZERO);
        }
    }
    held
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
