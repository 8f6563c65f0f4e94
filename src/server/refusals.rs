//! What the sidecars of those in quarantine report to have refused, by the rules that ask for it.
//!
//! Counts only grow, as long as a rule asks; they are of this process, and of the sidecars that are connected to it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use crate::model::Call;
use crate::model::GroupId;
use crate::model::RefusedCalls;
use crate::name::Namespaced;

/// How many kinds of calls are told apart for each rule. A shadow may call as many hosts as it likes.
const KINDS: usize = 32;

/// Whose sidecars are expected to refuse anything, and for which rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// The group of each node.
    pub nodes: Arc<BTreeMap<Namespaced, GroupId>>,
    /// The rules of each group, of those with any.
    pub rules: BTreeMap<GroupId, Vec<Namespaced>>,
}

/// The label of a series: the rule.
type Label = [(&'static str, String); 1];

/// The reports of all sidecars of one server.
#[derive(Debug, Default)]
pub struct Refusals {
    counted: Mutex<Counted>,
    metric: Family<Label, Counter>,
}

#[derive(Debug, Default)]
struct Counted {
    held: Held,
    by_rule: BTreeMap<Namespaced, RefusedCalls>,
}

impl Refusals {
    /// Expects reports from these. What was counted for rules that ask no more is forgotten.
    pub fn expect(&self, held: Held) {
        let mut counted = self.counted();
        if counted.held == held {
            return;
        }
        let asking = |rule: &Namespaced| held.rules.values().flatten().any(|one| one == rule);
        counted.by_rule.retain(|rule, _| asking(rule));
        counted.held = held;
    }

    /// All that was reported, by rule.
    pub fn all(&self) -> BTreeMap<Namespaced, RefusedCalls> {
        self.counted().by_rule.clone()
    }

    /// What is counted for metrics.
    pub(super) fn metric(&self) -> Family<Label, Counter> {
        self.metric.clone()
    }

    /// Takes in what a node's sidecar refused. One that is not in quarantine, or not any more, has nothing to say.
    pub(super) fn report(&self, node: &Namespaced, calls: impl IntoIterator<Item = Call>) {
        let mut counted = self.counted();
        let Counted { held, by_rule } = &mut *counted;
        let rules = held.nodes.get(node).and_then(|id| held.rules.get(id));
        let Some(rules) = rules else {
            return;
        };
        for call in calls {
            for rule in rules {
                let refused = by_rule.entry(rule.clone()).or_default();
                refused.total = refused.total.saturating_add(1);
                if refused.calls.len() < KINDS || refused.calls.contains_key(&call) {
                    *refused.calls.entry(call.clone()).or_default() += 1;
                }
                self.metric
                    .get_or_create(&[("rule", rule.to_string())])
                    .inc();
            }
        }
    }

    /// A count is valid after any of its changes, so a panic elsewhere does not spoil it.
    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::Held;
    use super::KINDS;
    use super::Refusals;
    use crate::model::Call;
    use crate::model::GroupId;
    use crate::name::Namespaced;

    fn call(to: &str) -> Call {
        Call {
            what: "POST".to_owned(),
            to: to.to_owned(),
        }
    }

    #[test]
    fn only_those_in_quarantine_are_counted_and_only_while_a_rule_asks() {
        let refusals = Refusals::default();
        let name = |name: &str| Namespaced::new("n", name);
        let id = GroupId::new("g");
        let held = |rules: &[&str]| Held {
            nodes: Arc::new(BTreeMap::from([(name("shadow"), id.clone())])),
            rules: BTreeMap::from([(id.clone(), rules.iter().map(|rule| name(rule)).collect())]),
        };
        refusals.report(&name("shadow"), [call("a")]);
        assert!(refusals.all().is_empty(), "nobody asks");
        refusals.expect(held(&["one", "two"]));
        refusals.report(&name("shadow"), [call("a"), call("b"), call("a")]);
        refusals.report(&name("live"), [call("a")]);
        let all = refusals.all();
        assert_eq!(all[&name("one")].total, 3);
        assert_eq!(all[&name("two")].calls[&call("a")], 2);
        let counter = refusals.metric();
        let series = |rule: &str| counter.get_or_create(&[("rule", rule.to_owned())]).get();
        assert_eq!((series("n/one"), series("n/three")), (3, 0));
        refusals.expect(held(&["two"]));
        refusals.report(&name("shadow"), [call("a")]);
        let all = refusals.all();
        assert_eq!(all.keys().collect::<Vec<_>>(), [&name("two")]);
        assert_eq!(all[&name("two")].total, 4);
    }

    #[test]
    fn hosts_without_end_are_counted_and_not_kept() {
        let refusals = Refusals::default();
        let (rule, node) = (Namespaced::new("n", "rule"), Namespaced::new("n", "node"));
        refusals.expect(Held {
            nodes: Arc::new(BTreeMap::from([(node.clone(), GroupId::new("g"))])),
            rules: BTreeMap::from([(GroupId::new("g"), vec![rule.clone()])]),
        });
        refusals.report(&node, (0..1000).map(|number| call(&number.to_string())));
        let all = refusals.all();
        assert_eq!((all[&rule].total, all[&rule].calls.len()), (1000, KINDS));
    }
}
