//! The keys of `spec.config` in a PluginConfig of a mirror plugin.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::copy_config::{Credentials, HeaderEdits, PathRewrite, Tracing};
use super::core::IntOrString;
use super::external::ExternalTarget;
use super::request_match::{RequestMatch, Sticky};
use super::subset::SubsetConfig;
use super::target_tls::TargetTls;

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
    /// Which Pods of the Service get copies; all of them if absent.
    #[serde(default)]
    pub subset: Option<SubsetConfig>,
    /// Speaks TLS to the Service, also if nothing is said below; without TLS if absent.
    #[serde(default)]
    pub tls: Option<TargetTls>,
    /// The share; nothing is mirrored if it is absent.
    #[serde(default)]
    pub percentage: Option<Percentage>,
    /// How long a copy may take in all, its body included: `500ms`, `5s`, `1m`. 5s if absent.
    #[serde(default)]
    pub timeout: Option<String>,
    /// How many copies may be under way at once from each sidecar; further ones are dropped. 64 if absent.
    #[serde(default)]
    pub max_concurrent_requests: Option<u32>,
    /// The largest body that is copied, in bytes or as `64Ki`, `1Mi`; 0 copies only requests without a body. 1Mi if absent.
    #[serde(default)]
    pub max_body_bytes: Option<IntOrString>,
    /// Which methods are copied: a list, or `safe` for GET, HEAD, OPTIONS and TRACE. All if absent.
    #[serde(default)]
    pub methods: Option<Value>,
    /// Which requests are copied: all of these conditions hold. All requests if absent.
    #[serde(default, rename = "match")]
    pub matching: Option<RequestMatch>,
    /// Whose requests are copied: always or never those of one user. By chance if absent.
    #[serde(default)]
    pub sticky: Option<Sticky>,
    /// Steps by which the share is reached; at once if absent.
    #[serde(default)]
    pub ramp: Option<RampConfig>,
    /// The Host of a copy: `rename` is the caller's with the target's name in the place of the destination's, `keep` the
    /// caller's, `suffix` the caller's with `-shadow` after the name; anything else is the Host itself. `rename` if absent.
    #[serde(default)]
    pub host: Option<String>,
    /// Changes of the copy's headers.
    #[serde(default)]
    pub headers: Option<HeaderEdits>,
    /// Whether a copy carries `authorization`, `proxy-authorization` and `cookie`: `keep` or `strip`. If absent, they are kept
    /// where the target is in the namespace of all destinations.
    #[serde(default)]
    pub credentials: Option<Credentials>,
    /// Another path for the copy; its query stays.
    #[serde(default)]
    pub path: Option<PathRewrite>,
    /// Whether the spans of what a copy brings about join the caller's trace: `inherit` is as the request says, `off` never,
    /// `always` whenever it has a trace. `inherit` if absent.
    #[serde(default)]
    pub tracing: Option<Tracing>,
    /// How many copies may fail before there are no more; any number if absent.
    #[serde(default)]
    pub budget: Option<BudgetConfig>,
    /// How many copies all sidecars may send in a second, together; the share is lowered for it. Any number if absent.
    #[serde(default)]
    pub max_requests_per_second: Option<u32>,
    /// What the Pods behind the target may ask of others, as long as they only receive copies: `read-only` lets safe methods
    /// through, `deny` nothing, `off` everything. `off` if absent.
    #[serde(default)]
    pub quarantine: Option<Value>,
    /// A host that gets the copies, where it is no Service: instead of `namespace`, `service` and `port`.
    #[serde(default)]
    pub external: Option<ExternalTarget>,
}

/// How many copies may fail, or be slow. A copy fails if it is answered with 500 or above, or not at all, or not within
/// `timeout`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BudgetConfig {
    /// The largest share of copies that may fail: 0.05 is one in twenty. Any if absent.
    #[serde(default)]
    pub max_failures: Option<f64>,
    /// The largest share of copies that may be slow. Any if absent.
    #[serde(default)]
    pub max_slow: Option<f64>,
    /// From when on a copy is slow: `300ms` until its answer begins. For `maxSlow`.
    #[serde(default)]
    pub slow_after: Option<String>,
    /// Over how long that is looked at, from 5s to 1h: `30s`, which it is if absent.
    #[serde(default)]
    pub window: Option<String>,
    /// With fewer copies in the window nothing is said; 20 if absent.
    #[serde(default)]
    pub min_requests: Option<u32>,
}

/// The share of requests, as a fraction of 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Percentage {
    /// From 0 (nothing) to 1 (everything), so 0.25 for a quarter; for compatibility a number or a number as text.
    #[serde(default)]
    pub value: Option<Value>,
}

/// Steps by which a share is reached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RampConfig {
    /// When the first step begins, as in `2030-01-31T09:00:00Z`; if absent, when the object is first seen.
    #[serde(default)]
    pub start: Option<String>,
    /// One after the other; after the last one `percentage` holds.
    #[serde(default)]
    pub steps: Vec<RampStepConfig>,
}

/// One step of a ramp.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RampStepConfig {
    /// The share meanwhile, at most.
    #[serde(default)]
    pub percentage: Option<Percentage>,
    /// How long it lasts: `30s`, `10m`, `24h`.
    #[serde(default)]
    pub duration: Option<String>,
    /// What has to be so at its end for the next one to begin; nothing if absent.
    #[serde(default)]
    pub gate: Option<GateConfig>,
}

/// What is asked of the copies of a step, of the last as long as the step lasts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GateConfig {
    /// The largest share of them that may fail: 0.01 is one in a hundred. Any if absent.
    #[serde(default)]
    pub max_failures: Option<f64>,
    /// How many it takes at least; 20 if absent.
    #[serde(default)]
    pub min_requests: Option<u32>,
}
