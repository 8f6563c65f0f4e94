//! That a budget was exceeded, as replicas tell each other and as it is kept. Pure.

use std::time::SystemTime;

use prost_types::Timestamp;

use super::tally::Tally;
use crate::api::status::BudgetStatus;
use crate::model::Blown;
use crate::model::Watched;
use crate::name::Namespaced;

/// In words.
pub(super) fn status(blown: &Blown) -> BudgetStatus {
    BudgetStatus {
        blown_at: Timestamp::from(blown.at).to_string(),
        of: format!("{:016x}", blown.of),
        reason: blown.reason.clone(),
    }
}

/// From words; `None` if they are none of ours.
pub(super) fn read(said: &BudgetStatus) -> Option<Blown> {
    let at = said.blown_at.parse::<Timestamp>().ok()?;
    Some(Blown {
        of: u64::from_str_radix(&said.of, 16).ok()?,
        at: SystemTime::try_from(at).ok()?,
        reason: said.reason.clone(),
    })
}

/// What is to be kept: what holds already, or else what any of the other replicas has found.
pub(super) fn kept(
    rule: &Namespaced,
    (watched, blown): &(Watched, Option<Blown>),
    others: &[Tally],
) -> Option<BudgetStatus> {
    let others = others.iter().filter_map(|tally| tally.blown.get(rule));
    let mut all = blown.iter().chain(others);
    all.find(|one| watched.counts(one)).map(status)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;
    use std::time::SystemTime;

    use super::kept;
    use super::read;
    use super::status;
    use crate::model::Blown;
    use crate::model::Budget;
    use crate::model::Fraction;
    use crate::model::Watched;
    use crate::name::Namespaced;
    use crate::status::tally::Tally;

    #[test]
    fn what_any_replica_found_is_kept_while_it_counts() {
        let rule = Namespaced::new("curl", "rule");
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let blown = |of, reason: &str| Blown {
            of,
            at: at(10),
            reason: reason.to_owned(),
        };
        let watched = Watched {
            of: 7,
            budget: Budget {
                max_failures: Fraction::ZERO,
                max_slow: None,
                window: Duration::from_secs(5),
                min_requests: 1,
            },
            resumed: None,
        };
        let told = |of| Tally {
            blown: BTreeMap::from([(rule.clone(), blown(of, "theirs"))]),
            ..Tally::default()
        };
        for (own, others, resumed, expected) in [
            (None, vec![], None, None),
            (Some(blown(7, "ours")), vec![told(7)], None, Some("ours")),
            (None, vec![told(8), told(7)], None, Some("theirs")),
            (None, vec![told(8)], None, None),
            (None, vec![told(7)], Some(at(11)), None),
        ] {
            let watched = Watched { resumed, ..watched };
            let found = kept(&rule, &(watched, own), &others);
            assert_eq!(found.map(|one| one.reason).as_deref(), expected);
        }
        let text = told(7).to_text();
        assert_eq!(Tally::from_text(&text), Some(told(7)), "{text}");
        assert_eq!(
            read(&status(&blown(u64::MAX, "a"))),
            Some(blown(u64::MAX, "a"))
        );
    }
}
