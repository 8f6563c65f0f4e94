//! What the sidecars of one control plane have, in a few numbers. Pure.

use std::collections::BTreeMap;

use super::facts::Facts;
use super::facts::Spread;
use crate::model::Blown;
use crate::name::Namespaced;
use crate::observe::Outcomes;
use crate::server::Sidecar;

/// What connected sidecars have. What is for none of them is not in here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// By PluginConfig.
    pub(super) rules: BTreeMap<Namespaced, Count>,
    /// By PluginChain: how many sidecars its selectors match.
    pub(super) chains: BTreeMap<Namespaced, usize>,
    /// By PluginConfig: budgets that were exceeded.
    pub(super) blown: BTreeMap<Namespaced, Blown>,
    /// By PluginConfig: copies in a second, where there is a limit.
    pub(super) sent: BTreeMap<Namespaced, u64>,
    /// By PluginConfig: what became of copies in a step with a gate, and the name of that.
    pub(super) fared: BTreeMap<Namespaced, (u64, Outcomes)>,
    /// By PluginConfig: about how many calls its quarantine has refused.
    pub(super) refused: BTreeMap<Namespaced, u64>,
}

/// How far a rule is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    /// The generation of the PluginConfig that they were counted for.
    pub(super) generation: i64,
    /// On how many it is.
    pub(super) spread: Spread,
}

impl Spread {
    /// Adds other sidecars.
    pub(super) fn add(&mut self, other: &Self) {
        self.desired = self.desired.saturating_add(other.desired);
        self.programmed = self.programmed.saturating_add(other.programmed);
        if self.rejected.is_none() {
            self.rejected.clone_from(&other.rejected);
        }
    }
}

impl Tally {
    /// What these sidecars have.
    pub(super) fn of(facts: &Facts, sidecars: &[Sidecar]) -> Self {
        let served = facts.served(sidecars).into_iter();
        let rules = served.filter(|(_, served)| served.spread.desired > 0);
        let chains = facts.state.objects.plugin_chains.keys();
        let plugins = facts.plugins();
        let budgets = facts.budgets.iter();
        Self {
            rules: rules
                .map(|(rule, served)| {
                    let generation = facts.generation(&rule);
                    let spread = served.spread;
                    (rule, Count { generation, spread })
                })
                .collect(),
            chains: chains
                .filter_map(|chain| {
                    let sidecars = facts.selection(&plugins, chain, sidecars)?.sidecars;
                    (sidecars > 0).then(|| (chain.clone(), sidecars))
                })
                .collect(),
            blown: budgets
                .filter_map(|(rule, (_, blown))| Some((rule.clone(), blown.clone()?)))
                .collect(),
            sent: BTreeMap::new(),
            fared: BTreeMap::new(),
            refused: BTreeMap::clone(&facts.refused),
        }
    }

    /// Whether there is nothing to tell.
    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty()
            && self.chains.is_empty()
            && self.blown.is_empty()
            && self.refused.is_empty()
    }
}

impl Count {
    /// The same sidecars, asked for another generation of the rule: none has that.
    fn at(&self, generation: i64) -> Spread {
        let mut spread = self.spread.clone();
        if self.generation != generation {
            spread.programmed = 0;
            spread.rejected = None;
        }
        spread
    }
}

/// How far a rule is in this generation of it, on the sidecars of all of these.
pub(super) fn spread<'a>(
    tallies: impl IntoIterator<Item = &'a Tally>,
    rule: &Namespaced,
    generation: i64,
) -> Spread {
    let mut sum = Spread::default();
    let counts = tallies.into_iter().filter_map(|one| one.rules.get(rule));
    for count in counts {
        sum.add(&count.at(generation));
    }
    sum
}

/// How many copies of a rule the sidecars of all of these send in a second.
pub(super) fn sent<'a>(tallies: impl IntoIterator<Item = &'a Tally>, rule: &Namespaced) -> u64 {
    let rates = tallies.into_iter().filter_map(|one| one.sent.get(rule));
    rates.fold(0, |sum, rate| sum.saturating_add(*rate))
}

/// What became of the copies of a rule in the step of this name, at the sidecars of all of these.
pub(super) fn fared<'a>(
    tallies: impl IntoIterator<Item = &'a Tally>,
    rule: &Namespaced,
    step: u64,
) -> Outcomes {
    let fared = tallies.into_iter().filter_map(|one| one.fared.get(rule));
    let fared = fared.filter(|(name, _)| *name == step);
    fared.fold(Outcomes::default(), |sum, (_, one)| sum.plus(*one))
}

/// About how many calls the quarantine of a rule has refused, in all of these.
pub(super) fn refused<'a>(tallies: impl IntoIterator<Item = &'a Tally>, rule: &Namespaced) -> u64 {
    let counts = tallies.into_iter().filter_map(|one| one.refused.get(rule));
    counts.fold(0, |sum, count| sum.saturating_add(*count))
}

/// How many sidecars of all of these a chain selects.
pub(super) fn selected<'a>(
    tallies: impl IntoIterator<Item = &'a Tally>,
    chain: &Namespaced,
) -> usize {
    let counts = tallies.into_iter().filter_map(|one| one.chains.get(chain));
    counts.fold(0, |sum, count| sum.saturating_add(*count))
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use super::Count;
    use super::Tally;
    use super::fared;
    use super::refused;
    use super::selected;
    use super::spread;
    use crate::name::Namespaced;
    use crate::observe::Outcomes;
    use crate::status::facts::Spread;

    pub(in crate::status) fn tally(
        generation: i64,
        desired: usize,
        programmed: usize,
        rejects: Option<&str>,
    ) -> Tally {
        let spread = Spread {
            desired,
            programmed,
            rejected: rejects.map(|node| (node.into(), "not today".to_owned())),
        };
        let rule = Namespaced::new("curl", "rule");
        let chain = Namespaced::new("pipy", "chain");
        Tally {
            rules: BTreeMap::from([(rule, Count { generation, spread })]),
            chains: BTreeMap::from([(chain, desired)]),
            blown: BTreeMap::new(),
            sent: BTreeMap::new(),
            fared: BTreeMap::new(),
            refused: BTreeMap::new(),
        }
    }

    #[test]
    fn copies_of_the_same_step_are_added_up() {
        let rule = Namespaced::new("curl", "rule");
        let told = |step, ended, failed| Tally {
            fared: BTreeMap::from([(
                rule.clone(),
                (
                    step,
                    Outcomes {
                        ended,
                        failed,
                        ..Outcomes::default()
                    },
                ),
            )]),
            ..Tally::default()
        };
        let all = [
            told(7, 10, 1),
            told(8, 100, 100),
            told(7, u64::MAX, 2),
            Tally::default(),
        ];
        let sum = Outcomes {
            ended: u64::MAX,
            failed: 3,
            ..Outcomes::default()
        };
        assert_eq!(fared(&all, &rule, 7), sum);
        let text = told(u64::MAX, 1_000, 30).to_text();
        assert_eq!(Tally::from_text(&text), Some(told(u64::MAX, 1_000, 30)));
    }

    #[test]
    fn what_was_refused_is_told_and_added_up() {
        let rule = Namespaced::new("curl", "rule");
        let told = |count| Tally {
            refused: BTreeMap::from([(rule.clone(), count)]),
            ..Tally::default()
        };
        assert!(!told(1).is_empty());
        assert_eq!(Tally::from_text(&told(7).to_text()), Some(told(7)));
        let all = [told(20), Tally::default(), told(50)];
        assert_eq!((refused(&all, &rule), refused([], &rule)), (70, 0));
    }

    #[test]
    fn what_replicas_have_is_added_up() {
        let (rule, chain) = (
            Namespaced::new("curl", "rule"),
            Namespaced::new("pipy", "chain"),
        );
        let all = [
            tally(3, 2, 2, None),
            tally(3, 5, 3, Some("curl/a")),
            tally(3, 1, 0, Some("curl/b")),
        ];
        let sum = spread(&all, &rule, 3);
        assert_eq!((sum.desired, sum.programmed), (8, 5));
        let rejected = sum.rejected.unwrap();
        assert_eq!((&*rejected.0, &*rejected.1), ("curl/a", "not today"));
        assert_eq!(selected(&all, &chain), 8);
        assert_eq!(spread(&all, &chain, 3), Spread::default());
        assert_eq!(spread([], &rule, 3), Spread::default());
        // Nobody can make us overflow.
        let all = [tally(3, usize::MAX, 1, None), tally(3, 1, 1, None)];
        assert_eq!(spread(&all, &rule, 3).desired, usize::MAX);
        assert_eq!(selected(&all, &chain), usize::MAX);
    }

    #[test]
    fn who_has_another_generation_does_not_have_this_one() {
        let rule = Namespaced::new("curl", "rule");
        let all = [
            tally(3, 2, 2, None),
            tally(4, 5, 5, None),
            tally(2, 1, 0, Some("curl/a")),
        ];
        let sum = spread(&all, &rule, 4);
        assert_eq!((sum.desired, sum.programmed, sum.rejected), (8, 5, None));
    }
}
