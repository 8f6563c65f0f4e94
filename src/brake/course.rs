//! How a ramp goes: it stands still while nothing is copied, and does not pass a gate that is shut. Pure: time is given.
//!
//! What has to be remembered of it is little, so that it can be recorded in the status of an object, and whoever reads that
//! goes on where the ramp is.

use std::time::Duration;
use std::time::SystemTime;

use prost_types::Timestamp;

use super::ramp::moment;
use crate::api::plugin::RecordedRamp;
use crate::model::Gated;
use crate::model::Ramp;

/// How a ramp has gone so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Course {
    /// When it began, or begins.
    pub start: SystemTime,
    /// How long it has stood still since.
    pub stood: Duration,
    /// Since when it stands still, if it does.
    pub halted: Option<SystemTime>,
    /// The last step whose gate has opened; 0 if none has.
    pub passed: usize,
}

/// Why nothing is copied whatever the step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halt {
    /// Somebody stopped the mirror.
    Stopped,
    /// Plugins are switched off.
    Off,
    /// Its budget was exceeded at that time.
    Blown(SystemTime),
}

impl Halt {
    /// As what follows from it for a ramp.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Stopped => "it is stopped",
            Self::Off => "plugins are switched off",
            Self::Blown(_) => "its budget is exceeded: the step begins anew when it is resumed",
        }
    }
}

impl Course {
    /// One that begins then.
    pub fn new(start: SystemTime) -> Self {
        Self {
            start,
            stood: Duration::ZERO,
            halted: None,
            passed: 0,
        }
    }

    /// What a status says of this ramp; `None` if it is about another, or makes no sense.
    pub fn recorded(ramp: &Ramp, recorded: &RecordedRamp) -> Option<Self> {
        let time = |text: &str| SystemTime::try_from(text.parse::<Timestamp>().ok()?).ok();
        let start = time(&recorded.started_at)?;
        if recorded.of != ramp.identity() || ramp.start.is_some_and(|known| known != start) {
            return None;
        }
        let stood = recorded.held_for.as_deref();
        let stood = stood.and_then(|text| text.parse::<prost_types::Duration>().ok());
        let passed = recorded.passed.unwrap_or_default();
        Some(Self {
            start,
            stood: stood
                .and_then(|stood| Duration::try_from(stood).ok())
                .unwrap_or_default(),
            halted: recorded.held_at.as_deref().and_then(time),
            passed: usize::try_from(passed).unwrap_or_default(),
        })
    }

    /// How it goes on at `now`. `is_open` says whether the gate of the step that it is in has opened.
    ///
    /// After a stop it goes on where it was. A step in which the budget was exceeded begins anew: it was not endured.
    #[must_use]
    pub fn next(mut self, ramp: &Ramp, halt: Option<Halt>, is_open: bool, now: SystemTime) -> Self {
        let Some(here) = moment(ramp, &self, now).filter(|here| here.stage.cap.is_some()) else {
            return self;
        };
        match halt {
            Some(halt) => {
                let since = match halt {
                    Halt::Blown(at) => at.min(now).max(self.start),
                    Halt::Stopped | Halt::Off => now,
                };
                let halted = *self.halted.get_or_insert(since);
                let here = moment(ramp, &self, now).unwrap_or(here);
                if matches!(halt, Halt::Blown(_)) {
                    self.be_at(here.begin, halted);
                }
            }
            None if self.halted.is_some() => {
                self.halted = None;
                self.be_at(here.position, now);
            }
            None if here.stage.waits && is_open => {
                self.passed = here.stage.step;
                self.be_at(here.position, now);
            }
            None => {}
        }
        self
    }

    /// The step that it is in, if that has a gate and copies are counted for it.
    pub fn gated(&self, ramp: &Ramp, now: SystemTime) -> Option<Gated> {
        let here = moment(ramp, self, now)?;
        let step = ramp.steps.get(here.stage.step.checked_sub(1)?)?;
        let gate = step.gate.filter(|_| self.halted.is_none())?;
        let since = self.start.duration_since(SystemTime::UNIX_EPOCH);
        let since = since.unwrap_or_default() + self.stood;
        let name = format!("{} {} {since:?}", ramp.identity(), here.stage.step);
        Some(Gated {
            id: xxhash_rust::xxh3::xxh3_64(name.as_bytes()),
            gate,
            over: step.lasts,
            waits: here.stage.waits,
        })
    }

    /// Its own time is this at `now`.
    fn be_at(&mut self, position: Duration, now: SystemTime) {
        let since = now.duration_since(self.start).unwrap_or_default();
        let stood = since.saturating_sub(position);
        // As it is recorded.
        self.stood = Duration::from_millis(u64::try_from(stood.as_millis()).unwrap_or(u64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;
    use std::time::SystemTime;

    use proptest::prelude::*;

    use super::Course;
    use super::Halt;
    use crate::brake::stage;
    use crate::model::Fraction;
    use crate::model::Gate;
    use crate::model::Ramp;
    use crate::model::RampStep;

    /// Steps of ten seconds each; with a gate or without.
    fn ramp(gates: &[bool]) -> Ramp {
        let gate = Gate {
            max_failures: None,
            min_requests: 1,
        };
        let step = |has_gate: &bool| RampStep {
            share: Fraction::HUNDREDTH,
            lasts: Duration::from_secs(10),
            gate: has_gate.then_some(gate),
        };
        Ramp {
            start: None,
            steps: gates.iter().map(step).collect(),
        }
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000 + seconds)
    }

    #[test]
    fn a_ramp_stands_still_while_nothing_is_copied() {
        let ramp = ramp(&[false, false, false]);
        let blown = |seconds| Some(Halt::Blown(at(seconds)));
        for (what, halts, now, expected) in [
            ("nothing", vec![], 21, (3, Some(30))),
            (
                "a stop",
                vec![(12, Some(Halt::Stopped)), (15, None)],
                22,
                (2, Some(23)),
            ),
            (
                "a budget, which is heard of later",
                vec![(14, blown(12)), (15, None)],
                22,
                (2, Some(25)),
            ),
            (
                "a budget that is heard of when the next step has begun",
                vec![(22, blown(18)), (24, None)],
                26,
                (2, Some(34)),
            ),
            (
                "a stop, and then a budget",
                vec![(12, Some(Halt::Off)), (14, blown(13)), (16, None)],
                22,
                (2, Some(26)),
            ),
            (
                "a stop that stays",
                vec![(12, Some(Halt::Stopped))],
                500,
                (2, None),
            ),
            (
                "a stop from the first moment",
                vec![(0, Some(Halt::Stopped))],
                500,
                (1, None),
            ),
        ] {
            let mut course = Course::new(at(0));
            for (seconds, halt) in halts {
                // However often it is looked at.
                course = course.next(&ramp, halt, false, at(seconds));
                course = course.next(&ramp, halt, false, at(seconds));
            }
            let here = stage(&ramp, &course, at(now));
            assert_eq!(
                (here.step, here.until),
                (expected.0, expected.1.map(at)),
                "{what}"
            );
        }
    }

    #[test]
    fn a_gate_that_is_shut_is_not_passed_and_the_next_step_lasts_as_long_as_ever() {
        let ramp = ramp(&[true, false, true]);
        let mut course = Course::new(at(0));
        for seconds in [5, 10, 40] {
            course = course.next(&ramp, None, seconds == 5, at(seconds));
            let here = stage(&ramp, &course, at(seconds));
            assert_eq!((here.step, here.waits), (1, seconds >= 10), "{seconds}");
        }
        course = course.next(&ramp, None, true, at(41));
        let here = stage(&ramp, &course, at(41));
        assert_eq!((here.step, here.until), (2, Some(at(51))));
        // Again at the last.
        let here = stage(&ramp, &course, at(100));
        assert_eq!((here.step, here.waits, here.until), (3, true, None));
        // A stop meanwhile leaves it there, a budget begins the step anew.
        let stopped = course.next(&ramp, Some(Halt::Stopped), true, at(101));
        let resumed = stopped.next(&ramp, None, true, at(110));
        assert!(stage(&ramp, &resumed, at(110)).waits);
        let blown = course.next(&ramp, Some(Halt::Blown(at(100))), true, at(101));
        let resumed = blown.next(&ramp, None, true, at(110));
        assert_eq!(stage(&ramp, &resumed, at(110)).until, Some(at(120)));
        let done = course.next(&ramp, None, true, at(102));
        assert_eq!(stage(&ramp, &done, at(102)).cap, None);
        assert_eq!(done.next(&ramp, Some(Halt::Stopped), false, at(103)), done);
    }

    #[test]
    fn copies_are_counted_anew_in_each_step_and_after_each_halt() {
        let ramp = ramp(&[true, true]);
        let course = Course::new(at(0));
        let first = course.gated(&ramp, at(1)).unwrap();
        let waits = course.gated(&ramp, at(100)).unwrap();
        assert_eq!(
            (waits.id, first.waits, waits.waits),
            (first.id, false, true)
        );
        let second = course.next(&ramp, None, true, at(10));
        assert_ne!(second.gated(&ramp, at(10)).unwrap().id, first.id);
        let halted = course.next(&ramp, Some(Halt::Stopped), false, at(1));
        assert_eq!(halted.gated(&ramp, at(2)), None);
        let resumed = halted.next(&ramp, None, false, at(3));
        assert_ne!(resumed.gated(&ramp, at(3)).unwrap().id, first.id);
        assert_eq!(
            Course::new(at(5)).gated(&ramp, at(1)),
            None,
            "it has not begun"
        );
    }

    proptest! {
        #[test]
        fn whatever_happens_no_step_is_skipped_and_none_is_shorter_than_it_says(
            gates in prop::collection::vec(any::<bool>(), 1..5),
            events in prop::collection::vec((1..8u64, 0..4u8, any::<bool>()), 1..80),
        ) {
            let ramp = ramp(&gates);
            let (mut course, mut now) = (Course::new(at(0)), 0);
            let (mut step, mut endured) = (1, 0);
            for (later, halt, is_open) in events {
                let moves = course.halted.is_none();
                now += later;
                let halt = match halt {
                    0 => Some(Halt::Stopped),
                    1 => Some(Halt::Blown(at(now))),
                    _ => None,
                };
                // Who looks at each change, as all do.
                let before = stage(&ramp, &course, at(now)).step;
                prop_assert!(before >= step);
                if moves {
                    endured += later;
                }
                if before > step {
                    prop_assert!(endured >= 10);
                    endured -= 10;
                }
                course = course.next(&ramp, halt, is_open, at(now));
                let here = stage(&ramp, &course, at(now));
                prop_assert!(here.step <= before + 1, "one after the other");
                if here.step > before {
                    prop_assert!(is_open && halt.is_none() && gates[before - 1]);
                    endured = 0;
                }
                if matches!(halt, Some(Halt::Blown(_))) && here.cap.is_some() {
                    endured = 0;
                }
                step = here.step;
            }
        }
    }
}
