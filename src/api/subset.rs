//! Some of the Pods of a target, in `spec.config`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Some of the Pods of a Service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SubsetConfig {
    /// The labels that all of them have, at least one.
    pub labels: BTreeMap<String, String>,
}
