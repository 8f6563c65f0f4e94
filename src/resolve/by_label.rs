//! Finding selectors by the labels they ask for: trying each on everything would cost the product of both.

use std::collections::BTreeMap;

use crate::dialect::Selector;

/// Values, to be found by the labels that their selectors match.
#[derive(Debug)]
pub(super) struct ByLabel<'a, T> {
    by_label: BTreeMap<(&'a str, &'a str), Vec<(&'a Selector, T)>>,
    for_any_label: Vec<(&'a Selector, T)>,
}

impl<'a, T> ByLabel<'a, T> {
    /// Adds a value.
    pub(super) fn add(&mut self, selector: &'a Selector, value: T) {
        match selector.required_label() {
            Some(label) => self
                .by_label
                .entry(label)
                .or_default()
                .push((selector, value)),
            None => self.for_any_label.push((selector, value)),
        }
    }

    /// The values whose selectors match these labels.
    pub(super) fn matching<'s>(
        &'s self,
        labels: &'s BTreeMap<String, String>,
    ) -> impl Iterator<Item = &'s T> {
        let labelled = labels
            .iter()
            .filter_map(|(key, value)| self.by_label.get(&(key.as_str(), value.as_str())));
        let candidates = labelled.flatten().chain(&self.for_any_label);
        let matching = candidates.filter(|(selector, _)| selector.matches(labels));
        matching.map(|(_, value)| value)
    }
}

impl<T> Default for ByLabel<'_, T> {
    fn default() -> Self {
        Self {
            by_label: BTreeMap::new(),
            for_any_label: Vec::new(),
        }
    }
}
