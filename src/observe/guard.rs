//! Whether a budget is exceeded. Pure.

use super::window::Outcomes;
use crate::model::Budget;

/// Why a budget is exceeded, with figures; `None` if it is not, or if there were too few copies to say.
pub fn judge(budget: &Budget, outcomes: Outcomes) -> Option<String> {
    let Outcomes {
        ended,
        failed,
        slow,
    } = outcomes;
    if ended < budget.min_requests {
        return None;
    }
    let window = budget.window.as_secs();
    let most = budget.max_failures;
    if outcomes.exceed(failed, most) {
        return Some(format!(
            "{failed} of {ended} copies failed within {window}s, more than {most}"
        ));
    }
    let exceeded = budget
        .max_slow
        .filter(|(most, _)| outcomes.exceed(slow, *most));
    let (most, after) = exceeded?;
    Some(format!(
        "{slow} of {ended} copies took {after:?} or longer within {window}s, more than {most}"
    ))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::judge;
    use crate::model::Budget;
    use crate::model::Fraction;
    use crate::observe::Outcomes;

    fn budget(millionths: u32, min_requests: u64) -> Budget {
        Budget {
            max_failures: Fraction::from_millionths(millionths).unwrap(),
            max_slow: None,
            window: Duration::from_secs(30),
            min_requests,
        }
    }

    #[test]
    fn the_share_that_is_allowed_is_allowed() {
        for (ended, failed, expected) in [
            (0, 0, None),
            (19, 19, None),
            (20, 1, None),
            (
                20,
                2,
                Some("2 of 20 copies failed within 30s, more than 5%"),
            ),
            (1_000, 50, None),
            (
                1_000,
                51,
                Some("51 of 1000 copies failed within 30s, more than 5%"),
            ),
        ] {
            let found = judge(
                &budget(50_000, 20),
                Outcomes {
                    ended,
                    failed,
                    slow: 0,
                },
            );
            assert_eq!(found.as_deref(), expected);
        }
    }

    #[test]
    fn copies_that_are_slow_count_where_that_is_asked() {
        let slow = |slow| Outcomes {
            ended: 100,
            failed: 0,
            slow,
        };
        let mut budget = budget(1_000_000, 20);
        assert_eq!(judge(&budget, slow(100)), None);
        let most = Fraction::from_millionths(100_000).unwrap();
        budget.max_slow = Some((most, Duration::from_millis(300)));
        assert_eq!(judge(&budget, slow(10)), None);
        let expected = "11 of 100 copies took 300ms or longer within 30s, more than 10%";
        assert_eq!(judge(&budget, slow(11)).as_deref(), Some(expected));
    }

    proptest! {
        #[test]
        fn more_failures_never_save_a_budget_and_none_never_exceeds_it(
            millionths in 0..1_000_000u32,
            least in 1..100u64,
            ended in 0..1_000u64,
            failed in 0..1_000u64,
        ) {
            let failed = failed.min(ended);
            let budget = budget(millionths, least);
            let at = |failed| judge(&budget, Outcomes { ended, failed, slow: 0 }).is_some();
            prop_assert!(!at(0));
            prop_assert!(!at(failed) || at(ended));
            prop_assert_eq!(at(ended), ended >= least);
            prop_assert!(at(failed) <= at((failed + 1).min(ended)));
        }
    }
}
