//! The switch for everything: MeshConfig's `enablePluginPolicy`.

use super::seniority::Seniority;
use crate::api::mesh_config::MeshConfig;
use crate::diag::{Code, Diagnostic, FieldPath, Origin, Report};
use crate::source::{Sourced, Table};

/// The names that osm-edge and fsm give to their one MeshConfig.
const USUAL_NAMES: [&str; 2] = ["osm-mesh-config", "fsm-mesh-config"];

/// The MeshConfig that counts: one of the usual name before any other, then the oldest.
pub fn mesh_config_in_force<'a>(
    configs: &'a Table<MeshConfig>,
    report: &mut Report,
) -> Option<&'a Sourced<MeshConfig>> {
    let Some((name, chosen)) = configs.iter().min_by_key(|(name, config)| {
        let unusual = !USUAL_NAMES.contains(&name.name.as_str());
        (unusual, Seniority::of(name, &config.object.metadata))
    }) else {
        let nowhere = Origin {
            object: None,
            document: None,
            within: Vec::new(),
        };
        report.push(
            Diagnostic::new(Code::NoMeshConfig, &nowhere, FieldPath::root(), "there is no MeshConfig")
                .effect("plugins are off: nothing is mirrored; primary traffic is not affected")
                .help(
                    "add a MeshConfig `osm-mesh-config` with `spec.featureFlags.enablePluginPolicy: true`",
                ),
        );
        return None;
    };
    for (other, config) in configs {
        if other != name {
            report.push(
                Diagnostic::new(
                    Code::SeveralMeshConfigs,
                    &config.origin,
                    FieldPath::root(),
                    format!("the MeshConfig `{name}` is in force already"),
                )
                .effect("this one is ignored")
                .help("keep one MeshConfig, named osm-mesh-config or fsm-mesh-config"),
            );
        }
    }
    Some(chosen)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::mesh_config_in_force;
    use crate::api::mesh_config::MeshConfig;
    use crate::diag::{Code, Report};
    use crate::dialect::fixture::sourced;
    use crate::name::Namespaced;
    use crate::source::Table;

    fn configs(list: &[(&str, Option<&str>)]) -> Table<MeshConfig> {
        let config = |(name, created): &(&str, Option<&str>)| {
            let metadata =
                json!({"name": name, "namespace": "osm-system", "creationTimestamp": created});
            (
                Namespaced::new("osm-system", *name),
                sourced(json!({"metadata": metadata})),
            )
        };
        list.iter().map(config).collect()
    }

    #[test]
    fn the_usual_name_wins_then_the_oldest() {
        let (early, late) = (Some("2020-01-01T00:00:00Z"), Some("2021-01-01T00:00:00Z"));
        for (list, winner) in [
            (
                vec![("a", early), ("osm-mesh-config", late)],
                "osm-mesh-config",
            ),
            (
                vec![("osm-mesh-config", late), ("fsm-mesh-config", early)],
                "fsm-mesh-config",
            ),
            (vec![("a", late), ("b", early), ("c", None)], "b"),
            (vec![("b", None), ("a", None)], "a"),
        ] {
            let configs = configs(&list);
            let mut report = Report::default();
            let chosen = mesh_config_in_force(&configs, &mut report).unwrap();
            assert_eq!(chosen.object.metadata.name, winner);
            assert_eq!(report.iter().count(), list.len() - 1);
            assert!(
                report
                    .iter()
                    .all(|diagnostic| diagnostic.code == Code::SeveralMeshConfigs)
            );
        }
    }

    #[test]
    fn none_is_reported() {
        let mut report = Report::default();
        assert!(mesh_config_in_force(&Table::default(), &mut report).is_none());
        assert_eq!(report.iter().next().unwrap().code, Code::NoMeshConfig);
    }
}
