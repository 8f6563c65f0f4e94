//! `subset`: which Pods of the target Service get copies.

use super::decode::Reader;
use crate::api::subset::SubsetConfig;
use crate::diag::{Code, FieldPath};
use crate::model::Subset;

/// The most labels of a subset: they are a part of names that every sidecar holds.
const MOST: usize = 16;
/// The longest name of a label, and the longest value.
const LONGEST: usize = 63;
/// The longest prefix of a label's key.
const LONGEST_PREFIX: usize = 253;

/// Reads it: all Pods if it is absent. What is wrong is reported; it is never taken for all Pods.
pub(super) fn read(reader: &mut Reader<'_>) -> Subset {
    let Some(SubsetConfig { labels }) = reader.optional("subset") else {
        return Subset::default();
    };
    let here = FieldPath::root().key("subset");
    if labels.is_empty() {
        bad(
            reader,
            here.clone(),
            "a subset without labels would be all Pods of the Service".to_owned(),
            "name labels, as in `subset: {labels: {version: v2}}`, or take `subset` out",
        );
    }
    let here = here.key("labels");
    if labels.len() > MOST {
        let message = format!("{} labels are too many", labels.len());
        let help = format!("name {MOST} at most: a label of their own tells Pods apart");
        bad(reader, here.clone(), message, &help);
    }
    for (key, value) in &labels {
        let at = here.clone().key(key);
        if !is_key(key) {
            let help = "give a name of 1 to 63 letters, digits, `-`, `_` and `.`, which begins and ends with a letter or digit, if need be with a prefix: `example.com/version`";
            let message = format!("{key:?} is not the key of a label");
            bad(reader, at.clone(), message, help);
        }
        if !is_value(value) {
            let help = "give at most 63 letters, digits, `-`, `_` and `.`, which begin and end with a letter or digit";
            let message = format!("{value:?} is not the value of a label");
            bad(reader, at, message, help);
        }
    }
    Subset(labels)
}

fn bad(reader: &mut Reader<'_>, at: FieldPath, message: String, help: &str) {
    reader.error(Code::BadConfigValue, at, message, help.to_owned());
}

/// Whether Kubernetes takes a text for the key of a label: a name, and before it perhaps a DNS subdomain and a slash.
fn is_key(text: &str) -> bool {
    match text.split_once('/') {
        Some((prefix, name)) => is_prefix(prefix) && is_name(name),
        None => is_name(text),
    }
}

/// Whether it takes it for the value of one, which may be empty.
fn is_value(text: &str) -> bool {
    text.is_empty() || is_name(text)
}

fn is_name(text: &str) -> bool {
    let is_letter = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    bytes.len() <= LONGEST
        && is_letter(bytes.first())
        && is_letter(bytes.last())
        && bytes.iter().all(fits)
}

fn is_prefix(text: &str) -> bool {
    let is_end = |byte: Option<&u8>| {
        byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    let is_part = |part: &str| {
        let bytes = part.as_bytes();
        let fits = |byte: &u8| *byte == b'-' || is_end(Some(byte));
        is_end(bytes.first()) && is_end(bytes.last()) && bytes.iter().all(fits)
    };
    text.len() <= LONGEST_PREFIX && text.split('.').all(is_part)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::{TargetRef, read};
    use crate::diag::Report;
    use crate::dialect::fixture::{found, nowhere};

    fn subset(value: &Value) -> Result<String, Vec<String>> {
        let config = json!({
            "namespace": "n", "service": "s", "port": 1, "percentage": {"value": 1}, "subset": value,
        });
        let mut report = Report::default();
        let spec = read(&config, &nowhere(), "otherwise", &mut report);
        match spec.map(|spec| spec.target) {
            Some(TargetRef::Service { subset, .. }) => Ok(subset.text()),
            _ => Err(found(&report)),
        }
    }

    #[test]
    fn a_subset_is_the_pods_with_all_of_its_labels() {
        let labels =
            json!({"labels": {"version": "v2", "app.kubernetes.io/name": "", "a_B.c": "1-x_Y.z"}});
        let text = "a_B.c=1-x_Y.z,app.kubernetes.io/name=,version=v2";
        assert_eq!(subset(&labels), Ok(text.to_owned()));
    }

    #[test]
    fn what_no_pod_can_have_is_told_and_never_means_all_pods() {
        let long = |length: usize| "a".repeat(length);
        let label = |key: &str, value: &str| json!({"labels": {key: value}});
        let many: Value = (0..17)
            .map(|n| (format!("l{n}"), Value::from("")))
            .collect();
        for (value, at) in [
            (json!({}), "subset".to_owned()),
            (json!({"labels": {}}), "subset".to_owned()),
            (json!("v2"), "subset".to_owned()),
            (json!({"labels": many}), "subset.labels".to_owned()),
            (json!({"labels": ["v2"]}), "subset.labels".to_owned()),
            (json!({"labels": {"v": 2}}), "subset.labels.v".to_owned()),
            (label("", "v"), "subset.labels.".to_owned()),
            (label("-v", "v"), "subset.labels.-v".to_owned()),
            (label("v 2", "v"), "subset.labels.v 2".to_owned()),
            (label("A.b/v", "v"), "subset.labels[\"A.b/v\"]".to_owned()),
            (label("a/b/v", "v"), "subset.labels[\"a/b/v\"]".to_owned()),
            (label("/v", "v"), "subset.labels[\"/v\"]".to_owned()),
            (label(&long(64), "v"), format!("subset.labels.{}", long(64))),
            (label("v", "v,2"), "subset.labels.v".to_owned()),
            (label("v", "2."), "subset.labels.v".to_owned()),
            (label("v", &long(64)), "subset.labels.v".to_owned()),
        ] {
            let expected = vec![format!("BadConfigValue spec.config.{at}")];
            assert_eq!(subset(&value), Err(expected), "{value}");
        }
        let other = json!({"labels": {"v": "2"}, "name": "v2"});
        let expected = vec!["UnknownConfigKey spec.config.subset.name".to_owned()];
        assert_eq!(subset(&other), Err(expected));
    }

    #[test]
    fn a_host_outside_has_no_pods() {
        let config = json!({
            "external": {"host": "a", "port": 1}, "percentage": {"value": 1}, "subset": {"labels": {"v": "2"}},
        });
        let mut report = Report::default();
        assert_eq!(read(&config, &nowhere(), "otherwise", &mut report), None);
        assert_eq!(found(&report), ["BadConfigValue spec.config.subset"]);
    }
}
