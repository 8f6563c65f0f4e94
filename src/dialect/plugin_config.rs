//! PluginConfig: for which destinations a mirror plugin mirrors, and where to.

use std::collections::BTreeSet;

use super::NOTHING_MIRRORED;
use super::mirror_spec;
use super::mirror_spec::MirrorSpec;
use super::plugin::{PluginRole, Plugins};
use super::seniority::Seniority;
use crate::api::plugin::{DestinationRef, PluginConfig};
use crate::diag::{Code, Diagnostic, FieldPath, Origin, Report, nearest};
use crate::name::Namespaced;
use crate::source::Sourced;

/// A PluginConfig of a mirror plugin. Its own namespace means nothing: it is for whoever has the plugin.
#[derive(Clone, Debug)]
pub struct MirrorRule<'a> {
    /// The PluginConfig.
    pub name: &'a Namespaced,
    /// Where it comes from.
    pub origin: &'a Origin,
    /// Who wins where two rules of one plugin claim one destination.
    pub(crate) seniority: Seniority<'a>,
    /// The Plugin; it may not exist.
    pub plugin: &'a str,
    /// The Services whose requests are mirrored, none twice; they may not exist.
    pub destinations: Vec<RuleDestination>,
    /// What it asks for, or last asked for; `None` if it never made sense, or if there is no such plugin.
    pub spec: Option<MirrorSpec>,
    /// Whether `spec` is what the object says now.
    pub is_current: bool,
}

/// A destination of a [`MirrorRule`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleDestination {
    /// Its index in `spec.destinationRefs`.
    pub index: usize,
    /// The Service.
    pub service: Namespaced,
}

impl RuleDestination {
    /// Where it stands in the PluginConfig.
    pub fn path(&self) -> FieldPath {
        FieldPath::of("spec.destinationRefs").index(self.index)
    }
}

impl<'a> MirrorRule<'a> {
    /// Reads a PluginConfig; `None` if its plugin is not a mirror.
    ///
    /// `last_valid` is what it asked for when it last made sense: it stays in force when it no longer does.
    pub fn read(
        name: &'a Namespaced,
        config: &'a Sourced<PluginConfig>,
        plugins: &Plugins<'_>,
        last_valid: Option<&MirrorSpec>,
        report: &mut Report,
    ) -> Option<Self> {
        let Sourced { object, origin } = config;
        let plugin = object.spec.plugin.as_str();
        let current = match plugins.role(plugin) {
            Some(PluginRole::Unsupported) => return None,
            Some(PluginRole::Mirror { .. }) => {
                let if_invalid = match last_valid {
                    Some(_) => {
                        "its last valid configuration stays in force; primary traffic is not affected"
                    }
                    None => NOTHING_MIRRORED,
                };
                mirror_spec::read(&object.spec.config, origin, if_invalid, report)
            }
            // Whatever plugin it is meant for, its keys may be others than a mirror's.
            None => {
                report.push(plugin_missing(plugin, origin, plugins));
                None
            }
        };
        let is_mirror = plugins.role(plugin).is_some();
        let is_current = current.is_some();
        Some(Self {
            name,
            origin,
            seniority: Seniority::of(name, &object.metadata),
            plugin,
            destinations: destinations(config, report),
            spec: current.or_else(|| last_valid.filter(|_| is_mirror).cloned()),
            is_current,
        })
    }
}

fn plugin_missing(plugin: &str, origin: &Origin, plugins: &Plugins<'_>) -> Diagnostic {
    let help = match nearest(plugin, plugins.names()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "add the Plugin".to_owned(),
    };
    Diagnostic::new(
        Code::PluginMissing,
        origin,
        FieldPath::of("spec.plugin"),
        format!("there is no Plugin `{plugin}`"),
    )
    .effect(NOTHING_MIRRORED)
    .help(help)
}

fn destinations(config: &Sourced<PluginConfig>, report: &mut Report) -> Vec<RuleDestination> {
    let Sourced { object, origin } = config;
    let refs = &object.spec.destination_refs;
    if refs.is_empty() {
        report.push(
            Diagnostic::new(
                Code::NoDestinations,
                origin,
                FieldPath::of("spec.destinationRefs"),
                "no destination is named",
            )
            .effect(NOTHING_MIRRORED)
            .help("name the Services whose requests are to be mirrored: kind, namespace and name"),
        );
    }
    let mut seen = BTreeSet::new();
    let mut destinations = Vec::new();
    for (index, given) in refs.iter().enumerate() {
        if let Some((field, code, message)) = objection(given) {
            let path = FieldPath::of("spec.destinationRefs")
                .index(index)
                .key(field);
            report.push(
                Diagnostic::new(code, origin, path, message)
                    .effect("requests to it are not mirrored; primary traffic is not affected")
                    .help(match nearest(&given.kind, ["Service"]) {
                        Some(meant) if given.kind != meant => format!("did you mean `{meant}`?"),
                        _ => "a destination is a Service, with its namespace and name".to_owned(),
                    }),
            );
            continue;
        }
        let service = Namespaced::new(&given.namespace, &given.name);
        if seen.insert(service.clone()) {
            destinations.push(RuleDestination { index, service });
        }
    }
    destinations
}

/// Why a reference means nothing, and at which field.
fn objection(given: &DestinationRef) -> Option<(&'static str, Code, String)> {
    if given.kind != "Service" {
        let message = match given.kind.as_str() {
            "" => "the destination has no kind".to_owned(),
            kind => format!("a {kind} cannot be a destination"),
        };
        return Some(("kind", Code::BadDestinationKind, message));
    }
    let empty = |field| {
        (
            field,
            Code::DestinationMissing,
            format!("the destination has no {field}"),
        )
    };
    if given.name.is_empty() {
        return Some(empty("name"));
    }
    given.namespace.is_empty().then(|| empty("namespace"))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;
    use std::sync::Arc;

    use serde_json::Value;
    use serde_json::json;

    use super::MirrorRule;
    use crate::diag::Report;
    use crate::dialect::fixture::{found, sourced};
    use crate::dialect::{MirrorSpec, Plugins, PortRef, TargetRef};
    use crate::model::Fraction;
    use crate::name::Namespaced;

    fn valid() -> Value {
        json!({"namespace": "pipy", "service": "v2", "port": 8080, "percentage": {"value": 1}})
    }

    /// What is asked for, the destinations, and what is reported.
    fn read(
        plugin: &str,
        refs: Value,
        config: Value,
        last_valid: Option<&MirrorSpec>,
    ) -> Option<(Option<MirrorSpec>, Vec<String>, Report)> {
        let plugins = ["traffic-mirror", "cors"]
            .map(|name| {
                let plugin = json!({"metadata": {"name": name}, "spec": {"priority": 115}});
                (Namespaced::cluster(name), sourced(plugin))
            })
            .into_iter()
            .collect();
        let plugins = Plugins::read(&plugins, &mut Report::default());
        let object = sourced(json!({
            "metadata": {"name": "m", "namespace": "curl"},
            "spec": {"plugin": plugin, "destinationRefs": refs, "config": config},
        }));
        let mut report = Report::default();
        let name = Namespaced::new("curl", "m");
        let rule = MirrorRule::read(&name, &object, &plugins, last_valid, &mut report)?;
        let destinations = rule
            .destinations
            .iter()
            .map(|d| d.service.to_string())
            .collect();
        Some((rule.spec, destinations, report))
    }

    #[test]
    fn references_that_mean_nothing_are_reported_and_the_others_kept() {
        let refs = json!([
            {"kind": "Service", "namespace": "pipy", "name": "v1"},
            {"kind": "Service", "namespace": "pipy", "name": "v1"},
            {"kind": "Deployment", "namespace": "pipy", "name": "v1"},
            {"kind": "Service", "name": "v1"},
            {"kind": "Service", "namespace": "pipy"},
        ]);
        let (spec, destinations, report) = read("traffic-mirror", refs, valid(), None).unwrap();
        assert!(spec.is_some());
        assert_eq!(destinations, ["pipy/v1"]);
        assert_eq!(
            found(&report),
            [
                "BadDestinationKind spec.destinationRefs[2].kind",
                "DestinationMissing spec.destinationRefs[3].namespace",
                "DestinationMissing spec.destinationRefs[4].name",
            ]
        );
        let (_, _, report) = read("traffic-mirror", json!([]), valid(), None).unwrap();
        assert_eq!(found(&report), ["NoDestinations spec.destinationRefs"]);
    }

    #[test]
    fn the_configuration_of_another_plugin_is_not_read() {
        let refs = json!([{"kind": "Service", "namespace": "pipy", "name": "v1"}]);
        assert!(read("cors", json!([]), json!({}), None).is_none());
        let (spec, destinations, report) = read("gone", refs, json!({"origins": 1}), None).unwrap();
        assert_eq!((spec, destinations.len()), (None, 1));
        assert_eq!(found(&report), ["PluginMissing spec.plugin"]);
    }

    #[test]
    fn the_last_valid_configuration_stays_in_force() {
        let last = MirrorSpec {
            text: 0,
            target: TargetRef::Service {
                name: Namespaced::new("pipy", "v3"),
                port: PortRef::Number(NonZeroU16::MIN),
                subset: Default::default(),
                tls: None,
            },
            fraction: Fraction::ONE,
            ramp: None,
            credentials: None,
            budget: None,
            rate: None,
            quarantine: None,
            terms: Arc::default(),
        };
        let refs = json!([{"kind": "Service", "namespace": "pipy", "name": "v1"}]);
        for (config, last_valid, expected, effect) in [
            (valid(), Some(&last), Some("pipy/v2"), None),
            (
                json!({}),
                Some(&last),
                Some("pipy/v3"),
                Some("last valid configuration stays in force"),
            ),
            (json!({}), None, None, Some("nothing is mirrored")),
        ] {
            let (spec, _, report) =
                read("traffic-mirror", refs.clone(), config, last_valid).unwrap();
            assert_eq!(
                spec.map(|spec| spec.target.to_string()).as_deref(),
                expected
            );
            match (report.iter().next(), effect) {
                (Some(first), Some(effect)) => {
                    assert!(first.effect.contains(effect), "{}", first.effect)
                }
                (first, effect) => assert_eq!(first.is_some(), effect.is_some()),
            }
        }
    }
}
