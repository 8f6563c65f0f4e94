//! Which Plugins are mirrors. Their scripts are never run: a Plugin is recognised.

use std::collections::BTreeMap;

use crate::api::annotation::PLUGIN as ANNOTATION;
use crate::api::plugin::Plugin;
use crate::diag::{Code, Diagnostic, FieldPath, Report};
use crate::source::{Sourced, Table};

/// The name that osm-edge's guide gives the plugin, and the value of the annotation.
const TRAFFIC_MIRROR: &str = "traffic-mirror";
/// Upstream's stages between which a plugin of `outbound-http` is run: load balancing and routing.
const USEFUL_PRIORITIES: (f64, f64) = (110.0, 160.0);

/// What a Plugin is to us.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PluginRole {
    /// It mirrors; the mirrors of a destination are in descending order of priority.
    Mirror {
        /// A finite number.
        priority: f64,
    },
    /// It does something else, which is not supported.
    Unsupported,
}

/// All Plugins, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plugins<'a>(BTreeMap<&'a str, PluginRole>);

impl<'a> Plugins<'a> {
    /// Recognises every Plugin.
    pub fn read(plugins: &'a Table<Plugin>, report: &mut Report) -> Self {
        let mut roles = BTreeMap::new();
        for (name, plugin) in plugins {
            let role = recognise(plugin, report);
            // Plugins are cluster-scoped; should a file give one a namespace, the one without comes first.
            roles.entry(name.name.as_str()).or_insert(role);
        }
        Self(roles)
    }

    /// What the Plugin of this name is; `None` if there is none.
    pub fn role(&self, name: &str) -> Option<PluginRole> {
        self.0.get(name).copied()
    }

    /// The names of all Plugins.
    pub fn names(&self) -> impl Iterator<Item = &'a str> {
        self.0.keys().copied()
    }
}

fn recognise(plugin: &Sourced<Plugin>, report: &mut Report) -> PluginRole {
    let Sourced { object, origin } = plugin;
    let name = object.metadata.name.as_str();
    let annotation = object.metadata.annotations.get(ANNOTATION);
    let misspelt = annotation.filter(|value| *value != TRAFFIC_MIRROR);
    let is_mirror = name == TRAFFIC_MIRROR || (annotation.is_some() && misspelt.is_none());
    if let Some(value) = misspelt {
        let path = FieldPath::of("metadata.annotations").key(ANNOTATION);
        let effect = if is_mirror {
            "the annotation is ignored; the plugin is recognised by its name"
        } else {
            "the plugin is not recognised as a mirror and has no effect; primary traffic is not affected"
        };
        let message = format!("`{value}` is not a kind of plugin");
        report.push(
            Diagnostic::new(Code::BadAnnotation, origin, path, message)
                .effect(effect)
                .help(format!("the only value is `{TRAFFIC_MIRROR}`")),
        );
    } else if !is_mirror {
        report.push(
            Diagnostic::new(
                Code::UnsupportedPlugin,
                origin,
                FieldPath::root(),
                format!("the plugin `{name}` is not known to mirror, and its script is not run"),
            )
            .effect("it has no effect, nor have its chains and configurations; primary traffic is not affected")
            .help(format!(
                "if it is a traffic mirror, name it `{TRAFFIC_MIRROR}` or annotate it with `{ANNOTATION}: {TRAFFIC_MIRROR}`"
            )),
        );
    }
    if !is_mirror {
        return PluginRole::Unsupported;
    }
    PluginRole::Mirror {
        priority: priority(plugin, report),
    }
}

/// The priority; one that upstream would not run is accepted with a warning, because it only orders here.
fn priority(plugin: &Sourced<Plugin>, report: &mut Report) -> f64 {
    let given = plugin.object.spec.priority;
    let (low, high) = USEFUL_PRIORITIES;
    if !given.is_some_and(|priority| priority > low && priority < high) {
        let message = match given {
            Some(priority) => format!("the priority {priority} is not between {low} and {high}"),
            None => "no priority is given, which means 0".to_owned(),
        };
        report.push(
            Diagnostic::new(
                Code::PluginPriority,
                &plugin.origin,
                FieldPath::of("spec.priority"),
                message,
            )
            .effect("it mirrors here, where the priority only orders mirrors; osm-edge would not run it")
            .help("use 115, which works in both"),
        );
    }
    given.filter(|priority| priority.is_finite()).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::{PluginRole, Plugins};
    use crate::api::meta::ObjectMeta;
    use crate::api::plugin::{Plugin, PluginSpec};
    use crate::diag::{Code, Report};
    use crate::dialect::fixture::nowhere;
    use crate::name::Namespaced;
    use crate::source::Sourced;

    fn role(
        name: &str,
        annotation: Option<&str>,
        priority: Option<f64>,
    ) -> (PluginRole, Vec<Code>) {
        let mut metadata = ObjectMeta {
            name: name.to_owned(),
            ..ObjectMeta::default()
        };
        if let Some(value) = annotation {
            metadata
                .annotations
                .insert("mirrorplane.io/plugin".to_owned(), value.to_owned());
        }
        let spec = PluginSpec {
            priority,
            ..PluginSpec::default()
        };
        let origin = nowhere();
        let object = Plugin { metadata, spec };
        let plugins = [(Namespaced::cluster(name), Sourced { object, origin })]
            .into_iter()
            .collect();
        let mut report = Report::default();
        let role = Plugins::read(&plugins, &mut report).role(name).unwrap();
        (
            role,
            report.iter().map(|diagnostic| diagnostic.code).collect(),
        )
    }

    #[test]
    fn mirrors_are_recognised_by_name_or_annotation() {
        let mirror = PluginRole::Mirror { priority: 115.0 };
        for (name, annotation, expected, codes) in [
            ("traffic-mirror", None, mirror, vec![]),
            ("shadow", Some("traffic-mirror"), mirror, vec![]),
            (
                "traffic-mirror",
                Some("cors"),
                mirror,
                vec![Code::BadAnnotation],
            ),
            (
                "shadow",
                Some("mirror"),
                PluginRole::Unsupported,
                vec![Code::BadAnnotation],
            ),
            (
                "cors",
                None,
                PluginRole::Unsupported,
                vec![Code::UnsupportedPlugin],
            ),
        ] {
            assert_eq!(
                role(name, annotation, Some(115.0)),
                (expected, codes),
                "{name} {annotation:?}"
            );
        }
    }

    #[test]
    fn a_priority_that_upstream_would_not_run_is_a_warning() {
        for (priority, kept, warned) in [
            (Some(111.0), 111.0, false),
            (Some(110.0), 110.0, true),
            (Some(160.0), 160.0, true),
            (Some(-5.0), -5.0, true),
            (None, 0.0, true),
            (Some(f64::NAN), 0.0, true),
        ] {
            let (role, codes) = role("traffic-mirror", None, priority);
            assert_eq!(role, PluginRole::Mirror { priority: kept });
            assert_eq!(
                codes.contains(&Code::PluginPriority),
                warned,
                "{priority:?}"
            );
        }
    }
}
