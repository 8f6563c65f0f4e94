//! Objects for tests: from JSON, and from nowhere.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::diag::{Diagnostic, Origin, Report};
use crate::source::Sourced;

/// The origin of an object that was never in a file.
pub(crate) fn nowhere() -> Origin {
    Origin {
        object: None,
        document: None,
        within: Vec::new(),
    }
}

/// The object that this JSON is.
pub(crate) fn sourced<T: DeserializeOwned>(object: Value) -> Sourced<T> {
    Sourced {
        object: serde_json::from_value(object).unwrap(),
        origin: nowhere(),
    }
}

/// What is reported, and where: `BadSelector spec.selectors`.
pub(crate) fn found(report: &Report) -> Vec<String> {
    let found = |d: &Diagnostic| format!("{:?} {}", d.code, d.path).trim_end().to_owned();
    report.iter().map(found).collect()
}
