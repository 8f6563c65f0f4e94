//! The keys of `spec.config` in a PluginConfig of a mirror plugin.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::core::IntOrString;

/// Where requests are mirrored to, and how many.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MirrorConfig {
    /// Namespace of the target Service.
    pub namespace: String,
    /// Name of the target Service.
    pub service: String,
    /// A port of the target Service: its number or name, or else its target port.
    pub port: IntOrString,
    /// The share; nothing is mirrored if it is absent.
    #[serde(default)]
    pub percentage: Option<Percentage>,
    /// How long a copy may take in all, its body included: `500ms`, `5s`, `1m`. 5s if absent.
    #[serde(default)]
    pub timeout: Option<String>,
    /// How many copies may be under way at once from each sidecar; further ones are dropped. 64 if absent.
    #[serde(default)]
    pub max_concurrent_requests: Option<u32>,
}

/// The share of requests, as a fraction of 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Percentage {
    /// From 0 (nothing) to 1 (everything), so 0.25 for a quarter; for compatibility a number or a number as text.
    #[serde(default)]
    pub value: Option<Value>,
}
