//! What the control plane says about the plugin kinds: their `status`.
//!
//! Every field is left out when it is not known, so a status never says less than an absent one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `status` of a PluginConfig: whether it mirrors, where to, how much, and on how many sidecars.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PluginConfigStatus {
    /// What is true of it: `Accepted`, `ResolvedRefs` and `Programmed`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The gist in one word, where osm-edge's schema has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_status: Option<String>,
    /// Why, in a sentence, where osm-edge's schema has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Where requests are mirrored to: `NAMESPACE/SERVICE:PORT`, with the labels of a subset as in `[version=v2]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The share of requests that is in force, as in `25%`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<String>,
    /// On how many sidecars it is in force, of how many that it is for, as in `11/12`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sidecars: Option<String>,
    /// On how many sidecars it is in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub programmed_sidecars: Option<i32>,
    /// For how many connected sidecars it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desired_sidecars: Option<i32>,
    /// How far its ramp is, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ramp: Option<RampStatus>,
    /// That its budget was exceeded, if it was: nothing is mirrored until it is resumed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetStatus>,
    /// The largest share, in millionths, at which there are not more copies in a second than there may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_share: Option<i32>,
    /// About how many calls its quarantine has refused, by all sidecars that report them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused_calls: Option<i64>,
}

/// That a budget was exceeded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct BudgetStatus {
    /// When, in RFC 3339.
    pub blown_at: String,
    /// Names what the object said then: with another `spec.config` it is void.
    pub of: String,
    /// The figures.
    pub reason: String,
}

/// How far a ramp is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RampStatus {
    /// When its first step began, or begins, in RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// Names the steps: with others it begins anew.
    pub of: String,
    /// At which step it is, of how many, as in `2/3`; `done` after the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// When that changes, in RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Why it does not go on, if it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits: Option<String>,
    /// Since when it does not go on, in RFC 3339, if its time stands still.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_at: Option<String>,
    /// How long its time has stood still before, as in `95.250s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_for: Option<String>,
    /// The last step whose gate has opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passed: Option<i32>,
}

/// `status` of a PluginChain: which plugins it brings, to how many sidecars.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PluginChainStatus {
    /// What is true of it: `Accepted` and `ResolvedRefs`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The gist in one word, where osm-edge's schema has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_status: Option<String>,
    /// Why, in a sentence, where osm-edge's schema has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The plugins that have an effect through it, with commas between them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugins: Option<String>,
    /// How many connected sidecars its selectors match.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selected_sidecars: Option<i32>,
}

/// `status` of a Plugin: whether it is a mirror, and so has an effect at all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PluginStatus {
    /// What is true of it: `Accepted`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The gist in one word, where osm-edge's schema has it: the column STATUS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_status: Option<String>,
    /// Why, in a sentence, where osm-edge's schema has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// `meta/v1 Condition`: one thing that is true of an object, or is not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What it is about: one condition of each type.
    #[serde(rename = "type")]
    #[schemars(length(max = 316))]
    pub type_: String,
    /// Whether it is so.
    pub status: Truth,
    /// Which generation of the object it was found in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// When `status` last changed, in RFC 3339.
    #[schemars(extend("format" = "date-time"))]
    pub last_transition_time: String,
    /// Why, in one word.
    #[schemars(length(min = 1, max = 1024))]
    #[schemars(regex(pattern = r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"))]
    pub reason: String,
    /// Why, in a sentence; it may be empty.
    #[schemars(length(max = 32768))]
    pub message: String,
}

/// Whether a [`Condition`] holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Truth {
    /// It does.
    True,
    /// It does not.
    False,
    /// Nobody can tell yet.
    Unknown,
}
