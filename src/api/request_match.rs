//! Conditions on requests, as a configuration writes them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Conditions on a request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RequestMatch {
    /// The path, without the query.
    pub path: Option<TextMatch>,
    /// Headers.
    pub headers: Vec<HeaderMatch>,
    /// Parameters of the query, as they stand in the request: not decoded.
    pub query_params: Vec<QueryMatch>,
}

/// A condition on a text: one of these.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct TextMatch {
    /// It is this.
    pub exact: Option<String>,
    /// It begins so.
    pub prefix: Option<String>,
    /// The whole of it matches this regular expression.
    pub regex: Option<String>,
}

/// A condition on a header: the name and one of the others.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct HeaderMatch {
    /// Name, in any case.
    pub name: String,
    /// Its value is this.
    pub exact: Option<String>,
    /// Its value begins so.
    pub prefix: Option<String>,
    /// The whole of its value matches this regular expression.
    pub regex: Option<String>,
    /// Whether it is there.
    pub present: Option<bool>,
    /// Turns the condition round. A header that is not there counts as empty then.
    pub invert: bool,
}

/// A condition on a parameter of the query: the name and one of the others.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct QueryMatch {
    /// Name.
    pub name: String,
    /// Its value is this.
    pub exact: Option<String>,
    /// The whole of its value matches this regular expression.
    pub regex: Option<String>,
    /// That it is there.
    pub present: Option<bool>,
}

/// What tells users apart.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Sticky {
    /// The name of a header. Requests without it are not copied.
    pub header: Option<String>,
    /// The name of a cookie, instead. Requests without it are not copied.
    pub cookie: Option<String>,
}
