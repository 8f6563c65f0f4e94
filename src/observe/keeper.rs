//! Whether the gate of a ramp's step opens: what became of the copies since the step began. Pure: counts and time are given.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::rounded::Rounding;
use super::rounded::rounded;
use super::window::Outcomes;
use super::window::Window;
use crate::model::Fraction;
use crate::model::Gate;
use crate::model::Gated;
use crate::model::Verdict;
use crate::name::Namespaced;
use crate::server::Load;

/// What is remembered of each rule that is in a step with a gate.
#[derive(Clone, Debug, Default)]
pub struct Keeper(BTreeMap<Namespaced, (u64, Window)>);

impl Keeper {
    /// Takes in what the sidecars have reported by now.
    pub fn look<'a>(
        &mut self,
        gated: impl IntoIterator<Item = (&'a Namespaced, Gated)>,
        loads: &BTreeMap<Namespaced, Load>,
        now: Instant,
    ) {
        let mut before = std::mem::take(&mut self.0);
        for (rule, gated) in gated {
            let known = before.remove(rule).filter(|(id, _)| *id == gated.id);
            let (_, mut window) = known.unwrap_or_default();
            let load = loads.get(rule).copied().unwrap_or_default();
            window.push(now, load, gated.over);
            self.0.insert(rule.clone(), (gated.id, window));
        }
    }

    /// What became of the copies of a rule in its step.
    pub fn outcomes(&self, rule: &Namespaced) -> Outcomes {
        let known = self.0.get(rule);
        known
            .map(|(_, window)| window.outcomes())
            .unwrap_or_default()
    }

    /// The same of all rules, each with the name of its step, to two digits: whoever is told need not be told every change.
    pub fn told(&self) -> BTreeMap<Namespaced, (u64, Outcomes)> {
        let told = self.0.iter().map(|(rule, (id, window))| {
            let Outcomes { ended, failed, .. } = window.outcomes();
            let outcomes = Outcomes {
                ended: rounded(ended, Rounding::Down),
                failed: rounded(failed, Rounding::Up),
                ..Outcomes::default()
            };
            (rule.clone(), (*id, outcomes))
        });
        told.filter(|(_, (_, outcomes))| outcomes.ended > 0)
            .collect()
    }
}

/// Whether a gate opens.
pub fn verdict(gate: &Gate, outcomes: Outcomes) -> Verdict {
    let Outcomes { ended, failed, .. } = outcomes;
    if ended < gate.min_requests {
        return Verdict::Few;
    }
    let most = gate.max_failures.unwrap_or(Fraction::ONE);
    if !outcomes.exceed(failed, most) {
        return Verdict::Open;
    }
    let millionths = (u128::from(failed) * 1_000_000).div_ceil(u128::from(ended.max(1)));
    // Up to one digit: whoever is told need not be told every change.
    let mut unit = 1;
    while millionths / unit >= 10 {
        unit *= 10;
    }
    let about = (millionths.div_ceil(unit) * unit).clamp(1, 1_000_000);
    let share = u32::try_from(about)
        .ok()
        .and_then(Fraction::from_millionths);
    Verdict::Failing(share.unwrap_or(Fraction::ONE))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use tokio::time::Instant;

    use super::Keeper;
    use super::verdict;
    use crate::model::Fraction;
    use crate::model::Gate;
    use crate::model::Gated;
    use crate::model::Verdict;
    use crate::name::Namespaced;
    use crate::observe::Outcomes;
    use crate::server::Load;

    fn gate(most: Option<u32>, min_requests: u64) -> Gate {
        Gate {
            max_failures: most.map(|most| Fraction::from_millionths(most).unwrap()),
            min_requests,
        }
    }

    #[test]
    fn a_gate_opens_for_enough_copies_of_which_few_fail() {
        let failing = |millionths| Verdict::Failing(Fraction::from_millionths(millionths).unwrap());
        for (most, ended, failed, expected) in [
            (Some(10_000), 99, 0, Verdict::Few),
            (Some(10_000), 100, 1, Verdict::Open),
            (Some(10_000), 100, 2, failing(20_000)),
            (Some(10_000), 1_000, 57, failing(60_000)),
            (Some(0), 1_000_000, 1, failing(1)),
            (Some(0), 3_000, 1, failing(400)),
            (None, 100, 100, Verdict::Open),
            (Some(0), u64::MAX, u64::MAX, failing(1_000_000)),
        ] {
            let found = verdict(
                &gate(most, 100),
                Outcomes {
                    ended,
                    failed,
                    ..Outcomes::default()
                },
            );
            assert_eq!(found, expected, "{failed} of {ended}");
        }
        assert_eq!(
            verdict(&gate(Some(0), 0), Outcomes::default()),
            Verdict::Open
        );
    }

    #[test]
    fn another_step_is_counted_anew() {
        let rule = Namespaced::new("curl", "rule");
        let gated = |id| Gated {
            id,
            gate: gate(None, 1),
            over: Duration::from_secs(10),
            waits: false,
        };
        let (mut keeper, start) = (Keeper::default(), Instant::now());
        let mut look = |id: Option<u64>, second, ok| {
            let load = Load {
                ok,
                issued: ok,
                ..Load::default()
            };
            let loads = BTreeMap::from([(rule.clone(), load)]);
            let at = start + Duration::from_secs(second);
            keeper.look(id.map(|id| (&rule, gated(id))), &loads, at);
            keeper
                .told()
                .get(&rule)
                .map(|(id, found)| (*id, found.ended))
        };
        assert_eq!(
            look(Some(1), 0, 100),
            None,
            "what was before does not count"
        );
        assert_eq!(look(Some(1), 5, 107), Some((1, 7)));
        // What was longer ago than the step lasts does not count either.
        assert_eq!(look(Some(1), 10, 109), Some((1, 9)));
        assert_eq!(look(Some(1), 15, 109), Some((1, 2)));
        assert_eq!(look(Some(2), 16, 120), None);
        assert_eq!(look(Some(2), 17, 123), Some((2, 3)));
        assert_eq!(look(None, 18, 130), None);
        assert_eq!(look(Some(2), 19, 140), None);
    }
}
