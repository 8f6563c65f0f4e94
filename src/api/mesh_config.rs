//! `MeshConfig` of `config.openservicemesh.io` (v1alpha1, v1alpha2) and of fsm's `config.flomesh.io`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::meta::ObjectMeta;

/// osm-edge's API group of it, and the versions that are read, newest last.
pub const OSM: (&str, &[&str]) = ("config.openservicemesh.io", &["v1alpha1", "v1alpha2"]);
/// fsm's.
pub const FSM: (&str, &[&str]) = ("config.flomesh.io", &["v1alpha1", "v1alpha2", "v1alpha3"]);

/// `MeshConfig`; only the plugin switch is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MeshConfig {
    /// Standard metadata.
    pub metadata: ObjectMeta,
    /// Settings of the mesh.
    #[serde(default)]
    pub spec: MeshConfigSpec,
}

/// The used part of the settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct MeshConfigSpec {
    /// Optional features.
    pub feature_flags: FeatureFlags,
}

/// The used feature flags.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct FeatureFlags {
    /// Whether plugins have any effect; off if absent, as in osm-edge.
    pub enable_plugin_policy: bool,
}
