//! PluginChain: which workloads get which mirror plugins.

use std::collections::BTreeSet;

use super::NOTHING_MIRRORED;
use super::plugin::{PluginRole, Plugins};
use super::selector::Selector;
use crate::api::plugin::PluginChain;
use crate::diag::{Code, Diagnostic, FieldPath, Origin, Report, nearest};
use crate::source::Sourced;

/// The one position in a sidecar where a mirror does something: on the caller's requests.
const MIRRORING_CHAIN: &str = "outbound-http";

/// A PluginChain as far as it mirrors. Its own namespace means nothing (osm-edge, and its guide relies on it).
#[derive(Clone, Debug)]
pub struct MirrorChain<'a> {
    /// Where it comes from.
    pub origin: &'a Origin,
    /// The mirror plugins in `outbound-http`, and those that do not exist; not empty.
    pub plugins: BTreeSet<&'a str>,
    /// Whom it is for; `None` if a selector cannot be evaluated, and so selects nobody.
    pub selectors: Option<ChainSelectors>,
}

/// Whom a chain is for: both selectors have to match. An absent one matches everything, as an empty one does.
#[derive(Clone, Debug)]
pub struct ChainSelectors {
    /// By the labels of the Pod.
    pub pods: Selector,
    /// By the labels of the Pod's Namespace.
    pub namespaces: Selector,
}

impl<'a> MirrorChain<'a> {
    /// Where a PluginChain selects Pods.
    pub const POD_SELECTOR: &'static str = "spec.selectors.podSelector";
    /// Where a PluginChain selects Namespaces.
    pub const NAMESPACE_SELECTOR: &'static str = "spec.selectors.namespaceSelector";

    /// Reads a PluginChain; `None` if there is no mirror in it.
    pub fn read(
        chain: &'a Sourced<PluginChain>,
        known: &Plugins<'_>,
        report: &mut Report,
    ) -> Option<Self> {
        let plugins = mirror_plugins(chain, known, report);
        if plugins.is_empty() {
            return None;
        }
        let Sourced { object, origin } = chain;
        let given = &object.spec.selectors;
        let mut read = |selector: &Option<_>, path| match selector {
            Some(selector) => Selector::read(selector, &FieldPath::of(path), origin, report),
            None => Some(Selector::default()),
        };
        let pods = read(&given.pod_selector, Self::POD_SELECTOR);
        let namespaces = read(&given.namespace_selector, Self::NAMESPACE_SELECTOR);
        let selectors = pods.zip(namespaces);
        Some(Self {
            origin,
            plugins,
            selectors: selectors.map(|(pods, namespaces)| ChainSelectors { pods, namespaces }),
        })
    }
}

/// The plugins that mirror through this PluginChain, or would if they existed.
fn mirror_plugins<'a>(
    chain: &'a Sourced<PluginChain>,
    known: &Plugins<'_>,
    report: &mut Report,
) -> BTreeSet<&'a str> {
    let mut mirrors = BTreeSet::new();
    let Sourced { object, origin } = chain;
    for (index, position) in object.spec.chains.iter().enumerate() {
        let path = FieldPath::of("spec.chains").index(index);
        let is_mirroring = position.name == MIRRORING_CHAIN;
        let mut misplaced = None;
        for (index, plugin) in position.plugins.iter().enumerate() {
            match known.role(plugin) {
                Some(PluginRole::Unsupported) => continue,
                Some(PluginRole::Mirror { .. }) => misplaced = misplaced.or(Some(plugin)),
                None => report.push(missing(origin, path.clone(), index, plugin, known)),
            }
            if is_mirroring {
                mirrors.insert(plugin.as_str());
            }
        }
        if let (Some(plugin), false) = (misplaced, is_mirroring) {
            let name = &position.name;
            report.push(
                Diagnostic::new(
                    Code::UnsupportedChain,
                    origin,
                    path.key("name"),
                    format!("`{plugin}` mirrors nothing in the chain `{name}`"),
                )
                .effect(NOTHING_MIRRORED)
                .help(format!("put it into the chain `{MIRRORING_CHAIN}`")),
            );
        }
    }
    mirrors
}

fn missing(
    origin: &Origin,
    chain: FieldPath,
    index: usize,
    plugin: &str,
    known: &Plugins<'_>,
) -> Diagnostic {
    let path = chain.key("plugins").index(index);
    let help = match nearest(plugin, known.names()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "add the Plugin, or take it out of the chain".to_owned(),
    };
    let message = format!("there is no Plugin `{plugin}`");
    Diagnostic::new(Code::ChainPluginMissing, origin, path, message)
        .effect(NOTHING_MIRRORED)
        .help(help)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use serde_json::json;

    use super::MirrorChain;
    use crate::diag::Report;
    use crate::dialect::Plugins;
    use crate::dialect::fixture::{found, sourced};
    use crate::name::Namespaced;

    /// The plugins that mirror, whether the selectors can be evaluated, and what is reported.
    fn read(chains: Value, selectors: Value) -> (Vec<String>, bool, Vec<String>) {
        let plugins = ["traffic-mirror", "cors"]
            .map(|name| {
                let plugin = json!({"metadata": {"name": name}, "spec": {"priority": 115}});
                (Namespaced::cluster(name), sourced(plugin))
            })
            .into_iter()
            .collect();
        let chain =
            json!({"metadata": {"name": "c"}, "spec": {"chains": chains, "selectors": selectors}});
        let chain = sourced(chain);
        let plugins = Plugins::read(&plugins, &mut Report::default());
        let mut report = Report::default();
        let read = MirrorChain::read(&chain, &plugins, &mut report);
        let (names, selects) = read.map_or_else(Default::default, |chain| {
            let names = chain
                .plugins
                .iter()
                .map(|name| (*name).to_owned())
                .collect();
            (names, chain.selectors.is_some())
        });
        (names, selects, found(&report))
    }

    #[test]
    fn only_outbound_http_mirrors() {
        for (name, plugin, mirrors, found) in [
            ("outbound-http", "traffic-mirror", true, None),
            ("outbound-http", "cors", false, None),
            (
                "inbound-http",
                "traffic-mirror",
                false,
                Some("UnsupportedChain spec.chains[0].name"),
            ),
            (
                "outbound-tcp",
                "traffic-mirror",
                false,
                Some("UnsupportedChain spec.chains[0].name"),
            ),
            (
                "outbound_http",
                "traffic-mirror",
                false,
                Some("UnsupportedChain spec.chains[0].name"),
            ),
            ("inbound-http", "cors", false, None),
            (
                "outbound-http",
                "trafic-mirror",
                true,
                Some("ChainPluginMissing spec.chains[0].plugins[0]"),
            ),
            (
                "inbound-http",
                "gone",
                false,
                Some("ChainPluginMissing spec.chains[0].plugins[0]"),
            ),
        ] {
            let (names, _, all) = read(json!([{"name": name, "plugins": [plugin]}]), json!({}));
            assert_eq!(!names.is_empty(), mirrors, "{name} {plugin}");
            assert_eq!(
                all,
                found.map(str::to_owned).into_iter().collect::<Vec<_>>()
            );
        }
    }

    #[test]
    fn a_selector_that_cannot_be_evaluated_selects_nobody() {
        let chains = json!([{"name": "outbound-http", "plugins": ["traffic-mirror"]}]);
        let bad =
            json!({"namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "Has"}]}});
        let (names, selects, found) = read(chains.clone(), bad);
        assert_eq!((names.len(), selects), (1, false));
        assert_eq!(
            found,
            ["BadSelector spec.selectors.namespaceSelector.matchExpressions[0].operator"]
        );
        let (_, selects, found) = read(chains, json!({"podSelector": {}}));
        assert!(selects && found.is_empty());
    }
}
