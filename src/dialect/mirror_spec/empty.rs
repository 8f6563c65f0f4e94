//! Values that hold nothing, as a template leaves behind whose values are not given. What limits copies would count as
//! absent, and limit nothing.

use serde_json::Value;

use crate::diag::FieldPath;

/// Keys in which an empty mapping or list would mean more copies than one with something in it.
const FULL: [&str; 2] = ["headers", "match"];

/// Where the value of a key, or something in it, holds nothing.
pub(super) fn find(key: &str, value: &Value) -> Option<FieldPath> {
    within(value, FieldPath::root().key(key), FULL.contains(&key))
}

fn within(value: &Value, at: FieldPath, full: bool) -> Option<FieldPath> {
    match value {
        Value::Null => Some(at),
        Value::Array(items) if items.is_empty() => full.then_some(at),
        Value::Object(fields) if fields.is_empty() => full.then_some(at),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(index, item)| within(item, at.clone().index(index), full)),
        Value::Object(fields) => fields
            .iter()
            .find_map(|(key, field)| within(field, at.clone().key(key), full)),
        _ => None,
    }
}

/// What to do about it.
pub(super) fn help(at: &FieldPath) -> &'static str {
    if at.to_string().ends_with("tls") {
        "write `tls: {}` for TLS, or take it out for plain text"
    } else {
        "give it a value, or take it out: empty, it would count as absent"
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::read;
    use crate::diag::Report;
    use crate::dialect::fixture::{found, nowhere};

    fn said(key: &str, value: Value) -> Vec<String> {
        let mut config =
            json!({"namespace": "n", "service": "s", "port": 1, "percentage": {"value": 1}});
        config[key] = value;
        let mut report = Report::default();
        let spec = read(&config, &nowhere(), "otherwise", &mut report);
        assert_eq!(spec.is_some(), report.is_empty());
        found(&report)
    }

    #[test]
    fn what_is_empty_never_counts_as_absent() {
        for key in [
            "timeout",
            "maxConcurrentRequests",
            "maxBodyBytes",
            "methods",
            "match",
            "sticky",
            "ramp",
            "host",
            "headers",
            "credentials",
            "path",
            "budget",
            "maxRequestsPerSecond",
        ] {
            let expected = [format!("BadConfigValue spec.config.{key}")];
            assert_eq!(said(key, Value::Null), expected);
        }
        for (key, value, at) in [
            ("match", json!({}), ""),
            ("match", json!({"path": null}), ".path"),
            ("match", json!({"headers": []}), ".headers"),
            ("match", json!({"queryParams": []}), ".queryParams"),
            (
                "match",
                json!({"headers": [{"name": "x", "exact": null}]}),
                ".headers[0].exact",
            ),
            ("headers", json!({}), ""),
            ("headers", json!({"remove": []}), ".remove"),
            ("headers", json!({"set": {"x-a": null}}), ".set.x-a"),
            (
                "budget",
                json!({"maxFailures": 0.1, "window": null}),
                ".window",
            ),
        ] {
            let expected = [format!("BadConfigValue spec.config.{key}{at}")];
            assert_eq!(said(key, value), expected);
        }
    }

    #[test]
    fn tls_without_a_word_is_not_plain_text() {
        let mut report = Report::default();
        let config = json!({
            "external": {"host": "a.example", "port": 443, "tls": null}, "percentage": {"value": 1},
        });
        assert_eq!(read(&config, &nowhere(), "otherwise", &mut report), None);
        assert_eq!(found(&report), ["BadConfigValue spec.config.external.tls"]);
        let said = report.iter().next().unwrap();
        assert!(said.help.contains("`tls: {}`"), "{}", said.help);
    }
}
