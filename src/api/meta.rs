//! What all objects have in common: `meta/v1`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::name::Namespaced;

/// The used part of `metadata`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectMeta {
    /// Name.
    pub name: String,
    /// Namespace; absent in cluster-scoped objects.
    pub namespace: Option<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// When the API server first saw the object (RFC 3339, UTC); absent in files, usually.
    pub creation_timestamp: Option<String>,
    /// Which object of this name it is: another one if it was deleted and made again; absent in files, usually.
    pub uid: Option<String>,
    /// How often its specification was changed; absent in files, usually.
    pub generation: Option<i64>,
}

/// Whether these labels have all of those that are asked for, with their values.
pub fn has_all(labels: &BTreeMap<String, String>, asked: &BTreeMap<String, String>) -> bool {
    let mut asked = asked.iter();
    asked.all(|(key, value)| labels.get(key) == Some(value))
}

impl ObjectMeta {
    /// The name that other objects refer to.
    pub fn key(&self) -> Namespaced {
        Namespaced::new(
            self.namespace.clone().unwrap_or_default(),
            self.name.clone(),
        )
    }
}

/// `LabelSelector`: all of its requirements must hold; an empty one matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct LabelSelector {
    /// Labels with exactly these values.
    pub match_labels: BTreeMap<String, String>,
    /// Further requirements.
    pub match_expressions: Vec<Requirement>,
}

/// One requirement of a [`LabelSelector`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Requirement {
    /// The label's key.
    pub key: String,
    /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
    pub operator: String,
    /// Values for `In` and `NotIn`; empty for the others.
    #[serde(default)]
    pub values: Vec<String>,
}
