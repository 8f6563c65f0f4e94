//! Where a ramp is at a moment. Pure: time is given.

use std::time::Duration;
use std::time::SystemTime;

use super::course::Course;
use crate::model::Fraction;
use crate::model::Ramp;

/// Where a ramp is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stage {
    /// The number of the step, from 1; 0 before the first, one more than there are after the last.
    pub step: usize,
    /// The most that is mirrored; `None` after the last step.
    pub cap: Option<Fraction>,
    /// When that changes; `None` if it stays so.
    pub until: Option<SystemTime>,
    /// Whether the time of the step is over, and its gate has not opened.
    pub waits: bool,
}

/// Where the ramp's own time is, which goes on only while the ramp does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    /// What that is.
    pub(super) stage: Stage,
    /// Its time since the ramp began; at a gate the end of the step.
    pub(super) position: Duration,
    /// At which the step begins.
    pub(super) begin: Duration,
}

/// Where a ramp that has gone so far is at `now`. It is the same whoever asks, and however often, so that nothing has to be
/// remembered but how it has gone.
pub fn stage(ramp: &Ramp, course: &Course, now: SystemTime) -> Stage {
    match moment(ramp, course, now) {
        Some(moment) => moment.stage,
        None => Stage {
            step: 0,
            cap: Some(Fraction::ZERO),
            until: Some(course.start),
            waits: false,
        },
    }
}

/// The same; `None` before it begins.
pub(super) fn moment(ramp: &Ramp, course: &Course, now: SystemTime) -> Option<Moment> {
    let now = course.halted.map_or(now, |halted| halted.min(now));
    let position = now.duration_since(course.start).ok()?;
    let position = position.saturating_sub(course.stood);
    let begun = course.start.checked_add(course.stood);
    let mut begin = Duration::ZERO;
    for (index, step) in ramp.steps.iter().enumerate() {
        // An end that no clock can show is never reached.
        let end = begin.checked_add(step.lasts);
        let is_over = end.is_some_and(|end| position >= end);
        let is_shut = step.gate.is_some() && index >= course.passed;
        if !is_over || is_shut {
            let changes = !is_over && course.halted.is_none();
            let until = begun.zip(end).filter(|_| changes);
            return Some(Moment {
                stage: Stage {
                    step: index + 1,
                    cap: Some(step.share),
                    until: until.and_then(|(begun, end)| begun.checked_add(end)),
                    waits: is_over,
                },
                position: end.map_or(position, |end| position.min(end)),
                begin,
            });
        }
        begin = end.unwrap_or(Duration::MAX);
    }
    Some(Moment {
        stage: Stage {
            step: ramp.steps.len() + 1,
            cap: None,
            until: None,
            waits: false,
        },
        position,
        begin,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;
    use std::time::SystemTime;

    use proptest::prelude::*;

    use super::stage;
    use crate::brake::Course;
    use crate::model::Fraction;
    use crate::model::Ramp;
    use crate::model::RampStep;

    fn ramp(steps: &[(u32, u64)]) -> Ramp {
        let step = |(share, millis): &(u32, u64)| RampStep {
            share: Fraction::from_millionths(*share).unwrap(),
            lasts: Duration::from_millis(*millis),
            gate: None,
        };
        Ramp {
            start: None,
            steps: steps.iter().map(step).collect(),
        }
    }

    fn at(millis: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(millis)
    }

    proptest! {
        #[test]
        fn who_wakes_at_each_change_sees_all_steps_in_order_and_who_comes_late_sees_the_same(
            steps in prop::collection::vec((0..=1_000_000u32, 1..10_000u64), 1..8),
            start in 0..20_000u64,
            late in 0..100_000u64,
        ) {
            let ramp = ramp(&steps);
            let course = Course::new(at(start));
            let (mut now, mut seen) = (at(0), Vec::new());
            loop {
                let here = stage(&ramp, &course, now);
                seen.push((here.step, here.cap));
                let Some(until) = here.until else { break };
                prop_assert!(until > now, "the next change is ahead");
                if at(late) >= now && at(late) < until {
                    prop_assert_eq!(stage(&ramp, &course, at(late)), here);
                }
                now = until;
            }
            let first = (start > 0).then_some((0, Some(Fraction::ZERO)));
            let shares = ramp.steps.iter().map(|step| Some(step.share));
            let expected: Vec<_> = first
                .into_iter()
                .chain((1..).zip(shares.chain([None])))
                .collect();
            prop_assert_eq!(seen, expected);
            if at(late) >= now {
                prop_assert_eq!(stage(&ramp, &course, at(late)).cap, None);
            }
        }
    }

    #[test]
    fn a_step_without_an_end_goes_on() {
        let ramp = ramp(&[(1, u64::MAX), (2, u64::MAX)]);
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(i64::MAX as u64);
        let here = stage(&ramp, &Course::new(start), start);
        assert_eq!(here.step, 1);
    }
}
