//! What may hold the share of a rule below what its object asks for.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;
use std::time::SystemTime;

use super::Fraction;
use super::Watched;

/// All of it, for one rule. None of it changes what is mirrored, only how much.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Brake {
    /// Whether somebody stopped it.
    pub stopped: bool,
    /// Whether its ramp has nothing to go on for, since plugins are switched off.
    pub idle: bool,
    /// By which steps its share is reached.
    pub ramp: Option<Arc<Ramp>>,
    /// How many of its copies may fail.
    pub watched: Option<Watched>,
    /// How many copies there may be in a second.
    pub rate: Option<NonZeroU32>,
}

/// Steps by which a share is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ramp {
    /// When the first step begins, if its object says so.
    pub start: Option<SystemTime>,
    /// At least one.
    pub steps: Vec<RampStep>,
}

/// One step of a [`Ramp`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RampStep {
    /// The most that is mirrored meanwhile.
    pub share: Fraction,
    /// How long it lasts; not nothing.
    pub lasts: Duration,
    /// What has to be so at its end for the next one to begin.
    pub gate: Option<Gate>,
}

/// What is asked of the copies of a step, as long ago as the step lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Gate {
    /// The largest share of them that may fail; any if `None`.
    pub max_failures: Option<Fraction>,
    /// How many there are at least.
    pub min_requests: u64,
}

/// A step with a gate, while a ramp is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gated {
    /// Names the step, of this ramp, and since when it is in it: with another name copies are counted anew.
    pub id: u64,
    /// What is asked.
    pub gate: Gate,
    /// Over how long.
    pub over: Duration,
    /// Whether the time of the step is over, so that it matters.
    pub waits: bool,
}

/// What the copies of a step say to its gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The next step may begin.
    Open,
    /// There are fewer copies than it takes.
    Few,
    /// More of them fail than may: about this share.
    Failing(Fraction),
}

impl Verdict {
    /// Why a ramp does not go on; nothing if it may.
    pub fn reason(self, gate: &Gate) -> Option<String> {
        match self {
            Self::Open => None,
            Self::Few => Some(format!(
                "there were fewer than {} copies",
                gate.min_requests
            )),
            Self::Failing(share) => {
                let most = gate.max_failures.unwrap_or(Fraction::ONE);
                Some(format!(
                    "about {share} of the copies failed, more than {most}"
                ))
            }
        }
    }
}

impl Ramp {
    /// Names its steps. A ramp with others is another ramp, and begins anew.
    pub fn identity(&self) -> String {
        let mut text = Vec::new();
        for step in &self.steps {
            text.extend(step.share.millionths().to_be_bytes());
            text.extend(step.lasts.as_nanos().to_be_bytes());
            if let Some(gate) = step.gate {
                let most = gate.max_failures.map(Fraction::millionths);
                text.extend(format!("gate {most:?} {}", gate.min_requests).into_bytes());
            }
        }
        format!("{:016x}", xxhash_rust::xxh3::xxh3_64(&text))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;
    use std::time::SystemTime;

    use super::Ramp;
    use super::RampStep;
    use crate::model::Fraction;

    #[test]
    fn another_step_is_another_ramp_and_another_start_is_not() {
        let ramp = |steps: &[(u32, u64)], start| {
            let step = |(share, seconds): &(u32, u64)| RampStep {
                share: Fraction::from_millionths(*share).unwrap(),
                lasts: Duration::from_secs(*seconds),
                gate: None,
            };
            let steps = steps.iter().map(step).collect();
            Ramp { start, steps }.identity()
        };
        let one = ramp(&[(1, 2), (3, 4)], None);
        assert_eq!(one, ramp(&[(1, 2), (3, 4)], Some(SystemTime::UNIX_EPOCH)));
        for other in [
            &[(1, 2), (3, 5)][..],
            &[(1, 2), (4, 4)],
            &[(3, 4), (1, 2)],
            &[(1, 2)],
        ] {
            assert_ne!(one, ramp(other, None), "{other:?}");
        }
    }
}
