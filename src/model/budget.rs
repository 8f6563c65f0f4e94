//! How many copies may fail.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;
use std::time::SystemTime;

use super::Fraction;
use super::RefusedCalls;
use super::Verdict;
use crate::name::Namespaced;

/// How many copies may fail before there are no more of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// The largest share of copies that may fail; all of them, if only slow ones are asked about.
    pub max_failures: Fraction,
    /// The largest share of copies that may be slow, and from when on a copy is.
    pub max_slow: Option<(Fraction, Duration)>,
    /// Over how long that is looked at.
    pub window: Duration,
    /// With fewer copies than this in the window nothing is said.
    pub min_requests: u64,
}

/// A budget that is set for a rule, as of what its object says now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watched {
    /// Names what its object says. With another text nothing that was found before counts.
    pub of: u64,
    /// The budget.
    pub budget: Budget,
    /// When somebody said that it is to go on. What was found before does not count.
    pub resumed: Option<SystemTime>,
}

/// That a budget was exceeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blown {
    /// Of which text of its object.
    pub of: u64,
    /// When.
    pub at: SystemTime,
    /// The figures, in words.
    pub reason: String,
}

/// How many copies of a rule there may be in a second, and what its share is for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// The sum of all sidecars.
    pub limit: NonZeroU32,
    /// The largest share that there may be for the sake of the limit; never 0.
    pub share: Fraction,
    /// What it would be without the limit.
    pub most: Fraction,
    /// Whether this process decides alone, since there is no status to share.
    pub local: bool,
}

/// What the sidecars of one control plane show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// The budgets that were exceeded.
    pub blown: BTreeMap<Namespaced, Blown>,
    /// The rules with sidecars that do not report: how many, of how many that have the rule.
    pub silent: BTreeMap<Namespaced, (usize, usize)>,
    /// The shares at which there are not too many copies, where this process decides alone.
    pub shares: BTreeMap<Namespaced, Fraction>,
    /// What copies say to the gate of a step, by the name of that; likewise.
    pub gates: BTreeMap<Namespaced, (u64, Verdict)>,
    /// The calls that were refused for the rules that ask for a quarantine, in round numbers.
    pub refused: BTreeMap<Namespaced, RefusedCalls>,
}

impl Rate {
    /// The share that is in force.
    pub fn in_force(&self) -> Fraction {
        self.share.min(self.most)
    }
}

impl Watched {
    /// Whether that still counts.
    pub fn counts(&self, blown: &Blown) -> bool {
        self.of == blown.of && self.resumed.is_none_or(|resumed| resumed < blown.at)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;
    use std::time::SystemTime;

    use super::Blown;
    use super::Budget;
    use super::Watched;
    use crate::model::Fraction;

    #[test]
    fn another_text_and_a_word_of_somebody_end_it() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let blown = Blown {
            of: 7,
            at: at(10),
            reason: String::new(),
        };
        for (of, resumed, expected) in [
            (7, None, true),
            (7, Some(9), true),
            (7, Some(10), false),
            (7, Some(11), false),
            (8, None, false),
        ] {
            let watched = Watched {
                of,
                budget: Budget {
                    max_failures: Fraction::ZERO,
                    max_slow: None,
                    window: Duration::from_secs(1),
                    min_requests: 1,
                },
                resumed: resumed.map(at),
            };
            assert_eq!(watched.counts(&blown), expected, "{of} {resumed:?}");
        }
    }
}
