//! What a PluginChain comes to: its plugins, and the sidecars that it selects.

use std::collections::BTreeMap;

use super::facts::Facts;
use crate::api::core::NAMESPACE_NAME;
use crate::diag::Report;
use crate::dialect::MirrorChain;
use crate::dialect::PluginRole;
use crate::dialect::Plugins;
use crate::name::Namespaced;
use crate::server::Sidecar;

/// What a chain comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Selection {
    /// The plugins that have an effect through it.
    pub(super) plugins: String,
    /// How many connected sidecars its selectors match.
    pub(super) sidecars: usize,
}

impl Facts {
    /// The Plugins. What there is to say about them was said when they were resolved.
    pub(super) fn plugins(&self) -> Plugins<'_> {
        Plugins::read(&self.state.objects.plugins, &mut Report::default())
    }

    /// What a chain of these plugins comes to; `None` if it does not mirror, or selects nobody.
    pub(super) fn selection(
        &self,
        plugins: &Plugins<'_>,
        chain: &Namespaced,
        sidecars: &[Sidecar],
    ) -> Option<Selection> {
        let objects = &self.state.objects;
        let chain = objects.plugin_chains.get(chain)?;
        let chain = MirrorChain::read(chain, plugins, &mut Report::default())?;
        let selectors = chain.selectors.as_ref()?;
        let mut by_namespace: BTreeMap<String, bool> = BTreeMap::new();
        let mut selects = |node: &Namespaced| {
            let is_ours = *by_namespace
                .entry(node.namespace.clone())
                .or_insert_with(|| {
                    let known = objects
                        .namespaces
                        .get(&Namespaced::cluster(&node.namespace));
                    let labels = known.map(|one| one.object.metadata.labels.clone());
                    let mut labels = labels.unwrap_or_default();
                    labels.insert(NAMESPACE_NAME.to_owned(), node.namespace.clone());
                    selectors.namespaces.matches(&labels)
                });
            is_ours
                && objects
                    .pods
                    .get(node)
                    .is_some_and(|pod| selectors.pods.matches(&pod.object.metadata.labels))
        };
        let nodes = sidecars.iter().filter_map(|one| one.node.parse().ok());
        let is_mirror =
            |name: &&&str| matches!(plugins.role(name), Some(PluginRole::Mirror { .. }));
        let names: Vec<&str> = chain.plugins.iter().filter(is_mirror).copied().collect();
        Some(Selection {
            plugins: names.join(","),
            sidecars: nodes.filter(|node| selects(node)).count(),
        })
    }
}
