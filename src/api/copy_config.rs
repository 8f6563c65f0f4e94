//! The keys of `spec.config` that say how a copy differs from its request.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Headers of the copy alone. They are removed first, then set, then added.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct HeaderEdits {
    /// Headers that replace all of their name. A value is taken literally.
    pub set: BTreeMap<String, String>,
    /// Headers that are added to those of their name.
    pub add: BTreeMap<String, String>,
    /// Names of headers that the copy does not have.
    pub remove: Vec<String>,
}

/// What becomes of the headers that prove who the caller is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Credentials {
    /// The copy carries them.
    Keep,
    /// The copy does not.
    Strip,
}

/// One of the two.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PathRewrite {
    /// Another beginning, for paths that have this one.
    pub replace_prefix: Option<PrefixRewrite>,
    /// The path of all copies.
    pub replace_full: Option<String>,
}

/// Both are whole segments: `/api` is the beginning of `/api` and `/api/items`, not of `/apis`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PrefixRewrite {
    /// The beginning that is replaced.
    pub from: String,
    /// What replaces it.
    pub to: String,
}

/// What a copy says of the caller's trace.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Tracing {
    /// What the request says.
    Inherit,
    /// That it is not recorded.
    Off,
    /// That it is recorded.
    Always,
}
