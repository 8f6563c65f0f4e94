//! Looks at the reports now and then: the only clock of this module.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use std::time::SystemTime;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio::time::MissedTickBehavior;
use tokio::time::interval;

use super::governor::Governor;
use super::governor::loads;
use super::guard::judge;
use super::keeper::Keeper;
use super::keeper::verdict;
use super::rate::PACE;
use super::window::Window;
use crate::model::Blown;
use crate::model::Findings;
use crate::model::Gated;
use crate::model::Model;
use crate::model::Rate;
use crate::model::Watched;
use crate::name::Namespaced;
use crate::server::Load;
use crate::server::Sidecar;
use crate::server::Stats;
use crate::server::Wanted;
use crate::translate::names::ClusterName;

/// How often the reports are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// A report has 61 kB, so there are no more of them in a window than it takes to see in time that something is wrong.
const REPORTS: u32 = 10;

/// The longest time between two reports.
const LONGEST: Duration = Duration::from_secs(10);

/// For how long a sidecar may be connected before it is missed: its streams do not begin at once.
const COMING: Duration = Duration::from_secs(15);

/// What to ask sidecars for: the loads of the clusters of copies whose rule has a budget, a rate or a gate.
pub fn wanted(model: &Model, watching: &Watching) -> Wanted {
    let Watching {
        budgets,
        exceeded: _,
        rates,
        gates,
    } = watching;
    let windows = budgets.values().map(|one| one.budget.window / REPORTS);
    let windows = windows.chain(gates.values().map(|one| one.over / REPORTS));
    let Some(shortest) = windows.chain(rates.values().map(|_| PACE / 2)).min() else {
        return Wanted::default();
    };
    let is_watched = |rule: &Namespaced| {
        budgets.contains_key(rule) || rates.contains_key(rule) || gates.contains_key(rule)
    };
    let mut clusters = BTreeMap::new();
    for (id, group) in &model.groups {
        let ports = group.destinations.iter().flat_map(|one| &one.ports);
        let mirrors = ports.flat_map(|port| &port.mirrors);
        let mut names: Vec<String> = mirrors
            .filter(|mirror| is_watched(&mirror.rule))
            .map(|mirror| ClusterName::from(mirror).to_string())
            .collect();
        names.sort_unstable();
        names.dedup();
        if !names.is_empty() {
            clusters.insert(id.clone(), names);
        }
    }
    Wanted {
        nodes: Arc::clone(&model.nodes),
        clusters,
        interval: shortest.clamp(LOOK, LONGEST),
    }
}

/// What is watched for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watching {
    /// The budgets.
    pub budgets: BTreeMap<Namespaced, Watched>,
    /// Those of which it is known already, here or elsewhere, that they are exceeded. What ends badly after that is no finding:
    /// found later than the first, it would outlive the word of somebody who has looked into that.
    pub exceeded: BTreeSet<Namespaced>,
    /// The rates of rules whose shares this process decides alone.
    pub rates: BTreeMap<Namespaced, Rate>,
    /// The steps with gates that ramps are in, where this process decides alone.
    pub gates: BTreeMap<Namespaced, Gated>,
}

/// Judges the reports of this server's sidecars for ever, or until nobody says any more what to watch. A finding stays
/// until the rule is another one, or somebody says that it is to go on.
pub async fn run(
    stats: Arc<Stats>,
    watched: watch::Receiver<Arc<Watching>>,
    findings: watch::Sender<Arc<Findings>>,
) {
    let mut observer = Observer::default();
    let mut governor = Governor::default();
    let mut keeper = Keeper::default();
    // Not at each look: with one that is missed, each sidecar that comes or goes would be another finding.
    let mut missed = (Instant::now(), BTreeMap::new());
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if watched.has_changed().is_err() {
            return;
        }
        let watched = Arc::clone(&watched.borrow());
        let loads = loads(stats.loads());
        let (now, instant) = (SystemTime::now(), Instant::now());
        let blown = observer.look(&watched, &loads, instant, now).clone();
        governor.look(&watched.rates, &loads, |_| 0, instant);
        let gates = &watched.gates;
        keeper.look(
            gates.iter().map(|(rule, gated)| (rule, *gated)),
            &loads,
            instant,
        );
        let waiting = gates.iter().filter(|(_, gated)| gated.waits);
        let verdicts = waiting.map(|(rule, gated)| {
            let verdict = verdict(&gated.gate, keeper.outcomes(rule));
            (rule.clone(), (gated.id, verdict))
        });
        let gates = verdicts.collect();
        let asked = stats.loads().asked();
        if asked.clusters.is_empty() {
            missed = (instant, BTreeMap::new());
        } else if instant.saturating_duration_since(missed.0) >= COMING {
            let (sidecars, reporting) = (stats.sidecars(), stats.loads().reporting());
            missed = (instant, silent(&sidecars, &reporting, &asked, now));
        }
        let shares = governor.shares().clone();
        let refused = stats.refusals().all();
        let refused = refused
            .iter()
            .map(|(rule, one)| (rule.clone(), one.roughly()));
        let found = Findings {
            blown,
            silent: missed.1.clone(),
            shares,
            gates,
            refused: refused.collect(),
        };
        findings.send_if_modified(|before| {
            let differs = **before != found;
            if differs {
                *before = Arc::new(found);
            }
            differs
        });
    }
}

/// How many sidecars of each rule do not report, of how many.
fn silent(
    sidecars: &[Sidecar],
    reporting: &BTreeSet<Arc<str>>,
    asked: &Wanted,
    now: SystemTime,
) -> BTreeMap<Namespaced, (usize, usize)> {
    let mut rules: BTreeMap<Namespaced, (usize, usize)> = BTreeMap::new();
    for sidecar in sidecars {
        let age = now.duration_since(sidecar.since).unwrap_or_default();
        let Some(node) = sidecar.node.parse().ok().filter(|_| age >= COMING) else {
            continue;
        };
        let clusters = asked.of(&node).iter();
        let has = clusters
            .filter_map(|name| name.parse::<ClusterName>().ok()?.rule().cloned())
            .collect::<BTreeSet<_>>();
        for rule in has {
            let (silent, all) = rules.entry(rule).or_default();
            *silent += usize::from(!reporting.contains(&sidecar.node));
            *all += 1;
        }
    }
    rules.retain(|_, (silent, _)| *silent > 0);
    rules
}

/// What is remembered from one look to the next.
#[derive(Debug, Default)]
struct Observer {
    windows: BTreeMap<Namespaced, (Watched, Window)>,
    found: BTreeMap<Namespaced, Blown>,
}

impl Observer {
    fn look(
        &mut self,
        watching: &Watching,
        loads: &BTreeMap<Namespaced, Load>,
        now: Instant,
        time: SystemTime,
    ) -> &BTreeMap<Namespaced, Blown> {
        let watched = &watching.budgets;
        self.windows.retain(|rule, _| watched.contains_key(rule));
        self.found
            .retain(|rule, blown| watched.get(rule).is_some_and(|one| one.counts(blown)));
        for (rule, one) in watched {
            let load = loads.get(rule).copied().unwrap_or_default();
            let entry = self.windows.entry(rule.clone());
            let (before, window) = entry.or_insert_with(|| (*one, Window::default()));
            if before != one {
                // What was before it says so does not count.
                *before = *one;
                window.clear();
            }
            window.push(now, load, one.budget.window);
            if self.found.contains_key(rule) || watching.exceeded.contains(rule) {
                continue;
            }
            if let Some(reason) = judge(&one.budget, window.outcomes()) {
                let of = one.of;
                let at = time;
                self.found.insert(rule.clone(), Blown { of, at, reason });
            }
        }
        &self.found
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;
    use std::time::SystemTime;

    use tokio::time::Instant;

    use super::Observer;
    use super::Watching;
    use crate::model::Budget;
    use crate::model::Fraction;
    use crate::model::Watched;
    use crate::name::Namespaced;
    use crate::server::Load;

    #[test]
    fn a_finding_stays_until_somebody_says_so_and_then_only_what_comes_counts() {
        let rule = Namespaced::new("curl", "rule");
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let begin = Instant::now();
        let mut watched = Watched {
            of: 1,
            budget: Budget {
                max_failures: Fraction::from_millionths(100_000).unwrap(),
                max_slow: None,
                window: Duration::from_secs(10),
                min_requests: 10,
            },
            resumed: None,
        };
        let mut observer = Observer::default();
        let mut second = 0;
        // Copies that fail and those that do not, ever since.
        let mut look = |watched: Watched, failed: u64, ok: u64| {
            let issued = failed + ok;
            let load = Load {
                ok,
                failed,
                issued,
                active: 0,
                ..Load::default()
            };
            let after = Duration::from_secs(second);
            second += 1;
            let watching = Watching {
                budgets: BTreeMap::from([(rule.clone(), watched)]),
                ..Watching::default()
            };
            let found = observer.look(
                &watching,
                &BTreeMap::from([(rule.clone(), load)]),
                begin + after,
                start + after,
            );
            found.get(&rule).map(|blown| blown.reason.clone())
        };
        assert_eq!(look(watched, 0, 0), None);
        assert_eq!(look(watched, 1, 10), None);
        let reason = "3 of 13 copies failed within 10s, more than 10%".to_owned();
        assert_eq!(look(watched, 3, 10), Some(reason.clone()));
        // Nothing is copied any more, and the window is empty at last.
        for _ in 0..20 {
            assert_eq!(look(watched, 3, 10), Some(reason.clone()));
        }
        watched.resumed = Some(start + Duration::from_secs(100));
        assert_eq!(look(watched, 3, 10), None);
        assert_eq!(look(watched, 3, 20), None);
        let again = look(Watched { of: 2, ..watched }, 9, 20);
        assert_eq!(again, None, "another text begins anew");
    }

    #[test]
    fn what_is_known_to_be_exceeded_is_not_found_again() {
        let rule = Namespaced::new("curl", "rule");
        let watched = Watched {
            of: 1,
            budget: Budget {
                max_failures: Fraction::ZERO,
                max_slow: None,
                window: Duration::from_secs(10),
                min_requests: 1,
            },
            resumed: None,
        };
        for is_known in [true, false] {
            let watching = Watching {
                budgets: BTreeMap::from([(rule.clone(), watched)]),
                exceeded: is_known.then(|| rule.clone()).into_iter().collect(),
                ..Watching::default()
            };
            let (mut observer, begin) = (Observer::default(), Instant::now());
            let mut found = 0;
            for (second, failed) in [(0, 0), (1, 5)] {
                let load = Load {
                    failed,
                    issued: failed,
                    ..Load::default()
                };
                let loads = BTreeMap::from([(rule.clone(), load)]);
                let now = begin + Duration::from_secs(second);
                found = observer
                    .look(&watching, &loads, now, SystemTime::UNIX_EPOCH)
                    .len();
            }
            assert_eq!(found, usize::from(!is_known));
        }
    }
}
