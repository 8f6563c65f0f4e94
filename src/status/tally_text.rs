//! What replicas tell each other of their sidecars, as text. Pure.
//!
//! ```text
//! {"rules":{"curl/traffic-mirror-config":[1,2,2]},"chains":{"pipy/traffic-mirror-chain":2}}
//! ```
//!
//! A rule has the generation of its object, the sidecars that it is for, and those of them that have it. Who rejects it is
//! in `rejects`, and why in `says`; `blown` are budgets that were exceeded,
//! `sent` copies in a second where that is limited, `fared` those of a step with a gate: its name, how many came to an end and
//! how many of them failed; `refused` calls of those in quarantine.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde::Serialize;

use super::budget;
use super::facts::Spread;
use super::tally::Count;
use super::tally::Tally;
use crate::api::status::BudgetStatus;
use crate::observe::Outcomes;

/// Of how many sidecars it is told why they reject what they do. Objects of the API may have a megabyte.
const REASONS: usize = 32;

impl Tally {
    /// As text.
    pub(super) fn to_text(&self) -> String {
        let mut text = Text::default();
        for (rule, Count { generation, spread }) in &self.rules {
            let numbers = (*generation, spread.desired, spread.programmed);
            text.rules.insert(rule.to_string(), numbers);
            if let Some((node, why)) = &spread.rejected {
                text.rejects.insert(rule.to_string(), node.to_string());
                if text.says.len() < REASONS {
                    text.says.insert(node.to_string(), why.clone());
                }
            }
        }
        let chains = self.chains.iter();
        text.chains = chains
            .map(|(chain, count)| (chain.to_string(), *count))
            .collect();
        for (rule, blown) in &self.blown {
            text.blown.insert(rule.to_string(), budget::status(blown));
        }
        let sent = self.sent.iter();
        text.sent = sent.map(|(rule, rate)| (rule.to_string(), *rate)).collect();
        for (rule, (step, Outcomes { ended, failed, .. })) in &self.fared {
            let numbers = (format!("{step:016x}"), *ended, *failed);
            text.fared.insert(rule.to_string(), numbers);
        }
        let refused = self.refused.iter();
        text.refused = refused
            .map(|(rule, count)| (rule.to_string(), *count))
            .collect();
        // Text and numbers are always representable.
        serde_json::to_string(&text).unwrap_or_default()
    }

    /// From text; `None` if it is none of ours.
    pub(super) fn from_text(text: &str) -> Option<Self> {
        let text: Text = serde_json::from_str(text).ok()?;
        let mut tally = Self::default();
        for (rule, (generation, desired, programmed)) in &text.rules {
            let rejected = text.rejects.get(rule).map(|node| {
                let why = text.says.get(node).cloned();
                (Arc::from(node.as_str()), why.unwrap_or_default())
            });
            let spread = Spread {
                desired: *desired,
                programmed: *programmed,
                rejected,
            };
            let generation = *generation;
            let count = Count { generation, spread };
            tally.rules.insert(rule.parse().ok()?, count);
        }
        for (chain, count) in &text.chains {
            tally.chains.insert(chain.parse().ok()?, *count);
        }
        for (rule, said) in &text.blown {
            tally.blown.insert(rule.parse().ok()?, budget::read(said)?);
        }
        for (rule, rate) in &text.sent {
            tally.sent.insert(rule.parse().ok()?, *rate);
        }
        for (rule, (step, ended, failed)) in &text.fared {
            let (ended, failed) = (*ended, *failed);
            let fared = (
                u64::from_str_radix(step, 16).ok()?,
                Outcomes {
                    ended,
                    failed,
                    ..Outcomes::default()
                },
            );
            tally.fared.insert(rule.parse().ok()?, fared);
        }
        for (rule, count) in &text.refused {
            tally.refused.insert(rule.parse().ok()?, *count);
        }
        Some(tally)
    }
}

/// The shape of the text.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Text {
    /// Generation, sidecars that it is for, those that have it.
    rules: BTreeMap<String, (i64, usize, usize)>,
    chains: BTreeMap<String, usize>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    blown: BTreeMap<String, BudgetStatus>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    sent: BTreeMap<String, u64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    fared: BTreeMap<String, (String, u64, u64)>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    refused: BTreeMap<String, u64>,
    /// By rule, the first node that rejects it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    rejects: BTreeMap<String, String>,
    /// By node, why.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    says: BTreeMap<String, String>,
}

#[cfg(test)]
mod tests {
    use super::super::tally::tests::tally;
    use super::Count;
    use super::REASONS;
    use super::Tally;
    use crate::name::Namespaced;

    #[test]
    fn text_says_it_all_and_is_short() {
        let well = tally(3, 2, 2, None);
        let text = r#"{"rules":{"curl/rule":[3,2,2]},"chains":{"pipy/chain":2}}"#;
        assert_eq!(well.to_text(), text);
        assert_eq!(Tally::from_text(text), Some(well));
        let rejected = tally(3, 2, 1, Some("curl/a"));
        assert_eq!(Tally::from_text(&rejected.to_text()), Some(rejected));

        let mut many = Tally::default();
        for index in 0..REASONS * 2 {
            let one = tally(1, 1, 0, Some(&format!("curl/{index:03}")));
            let rule = Namespaced::new("curl", format!("rule-{index:03}"));
            many.rules
                .extend(one.rules.into_values().map(|count| (rule.clone(), count)));
        }
        let text = many.to_text();
        assert_eq!(text.matches("not today").count(), REASONS);
        let read = Tally::from_text(&text).unwrap();
        let rejected = |one: &Count| one.spread.rejected.is_some();
        assert!(
            read.rules.values().all(rejected),
            "who rejects it is told of all rules"
        );
    }

    #[test]
    fn what_is_not_ours_is_nothing() {
        for text in [
            "",
            "7",
            "{\"rules\":{\"curl/rule\":[1,-2,3]}}",
            "{\"chains\":{\"x\":1}}",
        ] {
            assert_eq!(Tally::from_text(text), None, "{text}");
        }
        // Of a later version.
        assert_eq!(Tally::from_text("{\"more\":1}"), Some(Tally::default()));
    }
}
