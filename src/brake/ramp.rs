//! Where a ramp is at a moment. Pure: time is given.

use std::time::SystemTime;

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
}

/// Where a ramp that begins at `start` is at `now`. It is the same whoever asks, and however often, so that nothing has to be
/// remembered but the start.
pub fn stage(ramp: &Ramp, start: SystemTime, now: SystemTime) -> Stage {
    if now < start {
        return Stage {
            step: 0,
            cap: Some(Fraction::ZERO),
            until: Some(start),
        };
    }
    let mut end = Some(start);
    for (index, step) in ramp.steps.iter().enumerate() {
        // An end that no clock can show is never reached.
        end = end.and_then(|end| end.checked_add(step.lasts));
        if end.is_none_or(|end| now < end) {
            return Stage {
                step: index + 1,
                cap: Some(step.share),
                until: end,
            };
        }
    }
    Stage {
        step: ramp.steps.len() + 1,
        cap: None,
        until: None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;
    use std::time::SystemTime;

    use proptest::prelude::*;

    use super::stage;
    use crate::model::Fraction;
    use crate::model::Ramp;
    use crate::model::RampStep;

    fn ramp(steps: &[(u32, u64)]) -> Ramp {
        let step = |(share, millis): &(u32, u64)| RampStep {
            share: Fraction::from_millionths(*share).unwrap(),
            lasts: Duration::from_millis(*millis),
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
            let (mut now, mut seen) = (at(0), Vec::new());
            loop {
                let here = stage(&ramp, at(start), now);
                seen.push((here.step, here.cap));
                let Some(until) = here.until else { break };
                prop_assert!(until > now, "the next change is ahead");
                if at(late) >= now && at(late) < until {
                    prop_assert_eq!(stage(&ramp, at(start), at(late)), here);
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
                prop_assert_eq!(stage(&ramp, at(start), at(late)).cap, None);
            }
        }
    }

    #[test]
    fn a_step_without_an_end_goes_on() {
        let ramp = ramp(&[(1, u64::MAX), (2, u64::MAX)]);
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(i64::MAX as u64);
        let here = stage(&ramp, start, start);
        assert_eq!(here.step, 1);
    }
}
