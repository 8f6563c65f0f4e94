//! `plugin.flomesh.io/v1alpha1`: osm-edge's (and fsm's) plugin kinds.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::meta::{LabelSelector, ObjectMeta};
use super::status::BudgetStatus;

/// The API group of the plugin kinds.
pub const GROUP: &str = "plugin.flomesh.io";

/// `Plugin` (cluster-scoped): a filter that can be put into chains.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Plugin {
    /// Standard metadata.
    pub metadata: ObjectMeta,
    /// What it is.
    #[serde(default)]
    pub spec: PluginSpec,
}

/// What a [`Plugin`] is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct PluginSpec {
    /// Order among the plugins of a chain, highest first; 0 if absent.
    pub priority: Option<f64>,
    /// The script that osm-edge's sidecar runs. Accepted, never run.
    pub pipyscript: Option<String>,
    /// In osm-edge's schema; nothing reads it.
    pub matches: Option<Value>,
}

/// `PluginChain`: which workloads get which plugins. Its own namespace means nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PluginChain {
    /// Standard metadata.
    pub metadata: ObjectMeta,
    /// Plugins and workloads.
    pub spec: PluginChainSpec,
}

/// Plugins and workloads of a [`PluginChain`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PluginChainSpec {
    /// Plugins by position in the sidecar.
    pub chains: Vec<Chain>,
    /// Which workloads.
    pub selectors: Selectors,
    /// In osm-edge's schema; nothing reads it.
    #[serde(default)]
    pub matches: Option<Value>,
}

/// The plugins at one position in the sidecar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Chain {
    /// `inbound-tcp`, `inbound-http`, `outbound-tcp` or `outbound-http`.
    pub name: String,
    /// Names of plugins; their order means nothing.
    pub plugins: Vec<String>,
}

/// Which workloads a [`PluginChain`] is for: those that both selectors match. An absent one matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Selectors {
    /// By the Pod's labels.
    pub pod_selector: Option<LabelSelector>,
    /// By the labels of the Pod's Namespace.
    pub namespace_selector: Option<LabelSelector>,
}

/// `PluginConfig`: what a plugin does, for which destinations. Its own namespace means nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PluginConfig {
    /// Standard metadata.
    pub metadata: ObjectMeta,
    /// What and for which destinations.
    pub spec: PluginConfigSpec,
    /// What was recorded of it earlier. Never a reason to refuse the object.
    #[serde(default, deserialize_with = "leniently", skip_serializing)]
    pub status: Recorded,
}

/// The part of a [`PluginConfig`]'s status that is read again: all replicas go by it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Recorded {
    /// How its ramp has gone so far.
    pub ramp: Option<Box<RecordedRamp>>,
    /// That its budget was exceeded.
    pub budget: Option<BudgetStatus>,
    /// The largest share, in millionths, at which there are not too many copies.
    pub rate_share: Option<i32>,
}

/// How a ramp has gone so far.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecordedRamp {
    /// When its first step began, in RFC 3339.
    pub started_at: String,
    /// Names the steps that it is about.
    pub of: String,
    /// How long it has not gone on since, as in `95.250s`.
    #[serde(default)]
    pub held_for: Option<String>,
    /// Since when it does not go on, in RFC 3339.
    #[serde(default)]
    pub held_at: Option<String>,
    /// The last step whose gate has opened.
    #[serde(default)]
    pub passed: Option<i32>,
    /// Why it does not go on.
    #[serde(default)]
    pub waits: Option<String>,
}

fn leniently<'de, D: Deserializer<'de>>(status: D) -> Result<Recorded, D::Error> {
    let status = Value::deserialize(status)?;
    Ok(serde_json::from_value(status).unwrap_or_default())
}

/// What a [`PluginConfig`] says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PluginConfigSpec {
    /// Name of the Plugin.
    pub plugin: String,
    /// The destinations whose requests it is about, all their ports.
    pub destination_refs: Vec<DestinationRef>,
    /// What the plugin reads: for a mirror, a `mirror_config::MirrorConfig`.
    pub config: Value,
    /// In osm-edge's schema; nothing reads it.
    #[serde(default)]
    pub matches: Option<Value>,
}

/// A destination of a [`PluginConfig`]; fsm's schema takes a whole `ObjectReference`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DestinationRef {
    /// `Service`.
    pub kind: String,
    /// Name of the Service.
    pub name: String,
    /// Namespace of the Service; it has no default.
    pub namespace: String,
    /// Not read.
    pub api_version: Option<String>,
    /// Not read.
    pub uid: Option<String>,
    /// Not read.
    pub resource_version: Option<String>,
    /// Not read.
    pub field_path: Option<String>,
}
