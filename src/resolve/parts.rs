//! The part of a Service that is a subset of its Pods: its endpoints say which Pods they are, and Pods have labels.
//!
//! Of an endpoint that does not say, or whose Pod is not known, nothing is known: it gets no copies. Whoever asked for v2 must
//! not reach v1 for want of an answer.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::endpoints::{Behind, in_order};
use crate::api::core::Pod;
use crate::api::meta::has_all;
use crate::model::Subset;
use crate::name::Namespaced;
use crate::source::{Objects, Sourced};

/// The endpoints of a port whose Pods have all labels of a subset.
#[derive(Debug, Default)]
pub(super) struct Part {
    /// Those that are ready, sorted, none twice.
    pub(super) ready: Vec<SocketAddr>,
    /// All, sorted, none twice.
    pub(super) in_any_state: Vec<SocketAddr>,
    /// How many endpoints of the whole port are ready.
    pub(super) of_all: usize,
    /// Those of them of which it is not said which Pod they are.
    pub(super) unnamed: usize,
    /// The Pods of those whose Pod is not known, and how many there are.
    pub(super) missing: (Option<Namespaced>, usize),
    /// What the Pods of all of them have in the place of each label that is asked for.
    others: BTreeMap<String, BTreeSet<Option<String>>>,
}

/// How many values are shown.
const SHOWN: usize = 4;

impl Part {
    /// Those of `endpoints`, which are of Pods of a namespace, that are a part of the subset.
    pub(super) fn of<'a>(
        endpoints: impl Iterator<Item = Behind<'a>>,
        subset: &Subset,
        namespace: &str,
        objects: &Objects,
    ) -> Self {
        let mut part = Self::default();
        let mut matching = Vec::new();
        let mut seen = BTreeSet::new();
        for endpoint in endpoints {
            let counts = endpoint.is_ready && seen.insert(endpoint.at);
            part.of_all += usize::from(counts);
            let Some(pod) = endpoint.pod else {
                part.unnamed += usize::from(counts);
                continue;
            };
            let name = Namespaced::new(namespace, pod);
            match objects.pods.get(&name) {
                Some(pod) if has_all(&pod.object.metadata.labels, &subset.0) => {
                    matching.push(endpoint);
                }
                Some(pod) => part.other(pod, subset),
                None if counts => {
                    part.missing.0.get_or_insert(name);
                    part.missing.1 += 1;
                }
                None => {}
            }
        }
        part.in_any_state = in_order(matching.iter().copied());
        part.ready = in_order(matching.into_iter().filter(|one| one.is_ready));
        part
    }

    fn other(&mut self, pod: &Sourced<Pod>, subset: &Subset) {
        let labels = &pod.object.metadata.labels;
        for (key, value) in &subset.0 {
            let has = labels.get(key);
            if has != Some(value) {
                let others = self.others.entry(key.clone()).or_default();
                others.insert(has.cloned());
            }
        }
    }

    /// What is to be done if none is ready, though other endpoints of the port are. `selector` is that of the Service.
    pub(super) fn help_if_empty(
        &self,
        subset: &Subset,
        selector: Option<&BTreeMap<String, String>>,
    ) -> String {
        if !self.in_any_state.is_empty() {
            return "it has endpoints that are not ready: look at its Pods".to_owned();
        }
        let mut selected = selector.into_iter().flatten();
        let apart = selected.find(|(key, value)| {
            let asked = subset.0.get(*key);
            asked.is_some_and(|asked| asked != *value)
        });
        if let Some((key, value)) = apart {
            return format!("the Service selects only Pods whose label `{key}` is `{value}`");
        }
        let Some((key, values)) = self.others.iter().next() else {
            return "say which Pods its endpoints are".to_owned();
        };
        let mut values = values.iter().map(|value| match value {
            Some(value) => format!("`{value}`"),
            None => "absent".to_owned(),
        });
        let mut shown = values.by_ref().take(SHOWN).collect::<Vec<_>>().join(", ");
        if values.next().is_some() {
            shown += ", …";
        }
        format!("of the Pods behind it the label `{key}` is {shown}")
    }

    /// What is to be done about endpoints of which nothing is known.
    pub(super) fn help_if_unknown(&self) -> String {
        match &self.missing.0 {
            Some(pod) => format!("add the Pod `{pod}` with its labels"),
            None => "say it in the EndpointSlice: `targetRef: {kind: Pod, name: …}`".to_owned(),
        }
    }

    /// Of how many endpoints that are ready nothing is known.
    pub(super) fn unknown(&self) -> usize {
        self.unnamed + self.missing.1
    }
}
