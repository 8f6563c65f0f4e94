//! The kinds of objects that are read, and the API versions they are read in.

use super::objects::WorkloadKind;
use crate::api::mesh_config;
use crate::api::plugin;

/// A kind of object that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    Namespace,
    Service,
    EndpointSlice,
    Pod,
    Workload(WorkloadKind),
    MeshConfig,
    Plugin,
    PluginChain,
    PluginConfig,
}

/// What an `apiVersion` and a `kind` stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recognised {
    /// A kind that is read.
    Known(Kind),
    /// A kind that is read, but not in this version. The versions that are.
    OtherVersion(Kind, &'static [&'static str]),
    /// Somebody else's.
    Foreign,
}

/// What a kind is called, and where it belongs.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) kind: Kind,
    pub(super) name: &'static str,
    pub(super) group: &'static str,
    pub(super) versions: &'static [&'static str],
}

const fn row(
    kind: Kind,
    name: &'static str,
    group: &'static str,
    versions: &'static [&'static str],
) -> Row {
    Row {
        kind,
        name,
        group,
        versions,
    }
}

/// All kinds that are read.
pub(super) const ROWS: &[Row] = &[
    row(Kind::Namespace, "Namespace", "", &["v1"]),
    row(Kind::Service, "Service", "", &["v1"]),
    row(Kind::Pod, "Pod", "", &["v1"]),
    row(
        Kind::EndpointSlice,
        "EndpointSlice",
        "discovery.k8s.io",
        &["v1"],
    ),
    row(
        Kind::Workload(WorkloadKind::Deployment),
        "Deployment",
        "apps",
        &["v1"],
    ),
    row(
        Kind::Workload(WorkloadKind::StatefulSet),
        "StatefulSet",
        "apps",
        &["v1"],
    ),
    row(
        Kind::Workload(WorkloadKind::DaemonSet),
        "DaemonSet",
        "apps",
        &["v1"],
    ),
    row(Kind::Plugin, "Plugin", plugin::GROUP, &["v1alpha1"]),
    row(
        Kind::PluginChain,
        "PluginChain",
        plugin::GROUP,
        &["v1alpha1"],
    ),
    row(
        Kind::PluginConfig,
        "PluginConfig",
        plugin::GROUP,
        &["v1alpha1"],
    ),
    row(
        Kind::MeshConfig,
        "MeshConfig",
        mesh_config::OSM.0,
        mesh_config::OSM.1,
    ),
    row(
        Kind::MeshConfig,
        "MeshConfig",
        mesh_config::FSM.0,
        mesh_config::FSM.1,
    ),
];

impl Kind {
    /// Looks up an `apiVersion` (`GROUP/VERSION`, or `VERSION` for the core group) and a `kind`.
    pub(super) fn recognise(api_version: &str, kind: &str) -> Recognised {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        match ROWS
            .iter()
            .find(|row| row.name == kind && row.group == group)
        {
            Some(row) if row.versions.contains(&version) => Recognised::Known(row.kind),
            Some(row) => Recognised::OtherVersion(row.kind, row.versions),
            None => Recognised::Foreign,
        }
    }

    /// The kind, as in a manifest.
    pub(super) fn name(self) -> &'static str {
        ROWS.iter()
            .find(|row| row.kind == self)
            .map_or("object", |row| row.name)
    }

    /// Whether its objects belong to no namespace.
    pub(super) fn is_cluster_scoped(self) -> bool {
        matches!(self, Self::Namespace | Self::Plugin)
    }

    /// Whether unknown fields of its `spec` are told. Only for kinds whose types list every field: of the others, we
    /// know a small part.
    pub(super) fn is_fully_known(self) -> bool {
        matches!(self, Self::Plugin | Self::PluginChain | Self::PluginConfig)
    }
}

#[cfg(test)]
mod tests {
    use super::Kind;
    use super::Recognised;
    use crate::source::WorkloadKind;

    #[test]
    fn a_kind_is_recognised_by_group_version_and_name() {
        let fsm = &["v1alpha1", "v1alpha2", "v1alpha3"];
        for (api_version, kind, expected) in [
            ("v1", "Service", Recognised::Known(Kind::Service)),
            (
                "v2",
                "Service",
                Recognised::OtherVersion(Kind::Service, &["v1"]),
            ),
            ("serving.knative.dev/v1", "Service", Recognised::Foreign),
            ("v1", "ConfigMap", Recognised::Foreign),
            ("v1", "service", Recognised::Foreign),
            (
                "apps/v1",
                "DaemonSet",
                Recognised::Known(Kind::Workload(WorkloadKind::DaemonSet)),
            ),
            (
                "apps/v1beta1",
                "Deployment",
                Recognised::OtherVersion(Kind::Workload(WorkloadKind::Deployment), &["v1"]),
            ),
            ("v1", "Deployment", Recognised::Foreign),
            (
                "config.openservicemesh.io/v1alpha1",
                "MeshConfig",
                Recognised::Known(Kind::MeshConfig),
            ),
            (
                "config.flomesh.io/v1alpha3",
                "MeshConfig",
                Recognised::Known(Kind::MeshConfig),
            ),
            (
                "config.flomesh.io/v1",
                "MeshConfig",
                Recognised::OtherVersion(Kind::MeshConfig, fsm),
            ),
            ("", "", Recognised::Foreign),
        ] {
            assert_eq!(
                Kind::recognise(api_version, kind),
                expected,
                "{api_version} {kind}"
            );
        }
    }
}
