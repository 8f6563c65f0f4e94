//! The shares of the rules that may only send so many copies in a second. Pure: counts and time are given.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::rate::Meter;
use super::rate::next;
use super::rounded::Rounding;
use super::rounded::rounded;
use crate::model::Fraction;
use crate::model::Rate;
use crate::name::Namespaced;
use crate::server::Load;
use crate::server::Loads;
use crate::translate::names::ClusterName;

/// What is remembered of each rule.
#[derive(Clone, Debug, Default)]
pub struct Governor {
    meters: BTreeMap<Namespaced, Meter>,
    rates: BTreeMap<Namespaced, f64>,
    shares: BTreeMap<Namespaced, Fraction>,
}

impl Governor {
    /// Takes in what the sidecars have sent by now. `elsewhere` is what others send of a rule in a second.
    pub fn look(
        &mut self,
        rates: &BTreeMap<Namespaced, Rate>,
        loads: &BTreeMap<Namespaced, Load>,
        elsewhere: impl Fn(&Namespaced) -> u64,
        now: Instant,
    ) {
        self.meters.retain(|rule, _| rates.contains_key(rule));
        self.rates.retain(|rule, _| rates.contains_key(rule));
        self.shares.retain(|rule, _| rates.contains_key(rule));
        for (rule, rate) in rates {
            let load = loads.get(rule).copied().unwrap_or_default();
            let meter = self.meters.entry(rule.clone()).or_default();
            let share = self.shares.entry(rule.clone()).or_insert(rate.share);
            let Some(own) = meter.read(now, &load) else {
                continue;
            };
            self.rates.insert(rule.clone(), own);
            // Of a mirror that is stopped nothing can be learned.
            if rate.most == Fraction::ZERO {
                continue;
            }
            let sum = own + elsewhere(rule) as f64;
            // Perhaps nothing is sent, and perhaps nobody reports it: no reason to send more.
            if sum == 0.0 {
                continue;
            }
            *share = next(u64::from(rate.limit.get()), sum, rate.in_force(), rate.most);
        }
    }

    /// Goes by what others have decided, so that who decides next begins with it.
    pub fn follow(&mut self, rates: &BTreeMap<Namespaced, Rate>) {
        let shares = rates.iter().map(|(rule, rate)| (rule.clone(), rate.share));
        self.shares = shares.collect();
    }

    /// What the share of a rule is to be.
    pub fn share(&self, rule: &Namespaced) -> Option<Fraction> {
        self.shares.get(rule).copied()
    }

    /// The shares of all rules.
    pub fn shares(&self) -> &BTreeMap<Namespaced, Fraction> {
        &self.shares
    }

    /// How many copies the sidecars have sent in a second, to two digits: whoever is told need not be told every change.
    pub fn sent(&self) -> BTreeMap<Namespaced, u64> {
        let rates = self.rates.iter();
        let sent =
            rates.map(|(rule, rate)| (rule.clone(), rounded(rate.ceil() as u64, Rounding::Up)));
        sent.filter(|(_, rate)| *rate > 0).collect()
    }
}

/// The loads of all clusters of copies of each rule.
pub fn loads(reported: &Loads) -> BTreeMap<Namespaced, Load> {
    let mut by_rule: BTreeMap<Namespaced, Load> = BTreeMap::new();
    for (name, load) in reported.total() {
        let cluster = name.parse::<ClusterName>().ok();
        if let Some(rule) = cluster.as_ref().and_then(ClusterName::rule) {
            by_rule.entry(rule.clone()).or_default().add(&load);
        }
    }
    by_rule
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::num::NonZeroU32;
    use std::time::Duration;

    use tokio::time::Instant;

    use super::Governor;
    use crate::model::Fraction;
    use crate::model::Rate;
    use crate::name::Namespaced;
    use crate::server::Load;

    #[test]
    fn what_others_send_counts_and_silence_does_not() {
        let rule = Namespaced::new("curl", "rule");
        let rate = Rate {
            limit: NonZeroU32::new(100).unwrap(),
            share: Fraction::ONE,
            most: Fraction::ONE,
            local: false,
        };
        let rates = BTreeMap::from([(rule.clone(), rate)]);
        let loads = |issued| {
            let load = Load {
                issued,
                ..Load::default()
            };
            BTreeMap::from([(rule.clone(), load)])
        };
        let (mut governor, start) = (Governor::default(), Instant::now());
        governor.look(&rates, &loads(0), |_| 0, start);
        assert_eq!(governor.share(&rule), Some(Fraction::ONE));
        let later = start + Duration::from_secs(10);
        governor.look(&rates, &loads(1_234), |_| 876, later);
        // 123.4 here and 876 elsewhere: nearly a thousand, of which a hundred may be.
        let share = governor.share(&rule).unwrap().millionths();
        assert!((80_000..100_000).contains(&share), "{share}");
        assert_eq!(governor.sent()[&rule], 130);
        // Silence says nothing.
        let quiet = Rate {
            share: Fraction::SMALLEST,
            ..rate
        };
        let quiet = BTreeMap::from([(rule.clone(), quiet)]);
        let mut unheard = Governor::default();
        for seconds in [0, 10, 20, 30] {
            let at = start + Duration::from_secs(seconds);
            unheard.look(&quiet, &BTreeMap::new(), |_| 0, at);
            assert_eq!(unheard.share(&rule), Some(Fraction::SMALLEST));
        }
        // Known only since it was stopped, it begins with what it had, and not with nothing.
        let stopped = Rate {
            share: Fraction::HUNDREDTH,
            most: Fraction::ZERO,
            ..rate
        };
        let mut next = Governor::default();
        for seconds in [0, 10] {
            let stopped = BTreeMap::from([(rule.clone(), stopped)]);
            let at = start + Duration::from_secs(seconds);
            next.look(&stopped, &loads(0), |_| 0, at);
            next.follow(&stopped);
            assert_eq!(next.share(&rule), Some(Fraction::HUNDREDTH));
        }
        governor.look(&BTreeMap::new(), &loads(0), |_| 0, later);
        assert_eq!((governor.share(&rule), governor.sent().len()), (None, 0));
    }
}
