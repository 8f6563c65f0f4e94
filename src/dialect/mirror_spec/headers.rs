//! `headers`: what is changed in the headers of a copy.

use std::collections::{BTreeMap, BTreeSet};

use super::decode::Reader;
use crate::api::copy_config::HeaderEdits as Keys;
use crate::diag::{Code, FieldPath};
use crate::model::HeaderEdits;

/// As many changes as anybody needs, and few enough to look at for each copy.
const MOST: usize = 64;
/// Bytes of the longest value.
const LONGEST: usize = 4096;

/// Headers that are not a user's to change, and why.
const OURS: [(&str, &str); 11] = [
    ("host", "it has a key of its own, `host`"),
    ("x-mirror-shadow", "it keeps copies from being copied again"),
    ("x-request-id", "it pairs a copy with its request"),
    ("content-length", BODY),
    ("transfer-encoding", BODY),
    ("trailer", BODY),
    ("te", CONNECTION),
    ("connection", CONNECTION),
    ("keep-alive", CONNECTION),
    ("proxy-connection", CONNECTION),
    ("upgrade", CONNECTION),
];
const BODY: &str = "it says where the body ends";
const CONNECTION: &str = "it is about a connection and not about a request";
/// What the sidecar notes for itself.
const NOTES: &str = "x-mirrorplane-";

/// Reads them; what is wrong is reported and left out.
pub(super) fn read(reader: &mut Reader<'_>) -> HeaderEdits {
    let Some(keys) = reader.optional::<Keys>("headers") else {
        return HeaderEdits::default();
    };
    let edits = HeaderEdits {
        set: values("set", keys.set, reader),
        add: values("add", keys.add, reader),
        remove: names(keys.remove, reader),
    };
    let all = edits.set.len() + edits.add.len() + edits.remove.len();
    if all > MOST {
        reader.error(
            Code::BadConfigValue,
            FieldPath::root().key("headers"),
            format!("{all} headers are changed"),
            format!("change at most {MOST}"),
        );
    }
    edits
}

fn names(names: Vec<String>, reader: &mut Reader<'_>) -> BTreeSet<String> {
    let mut sound = BTreeSet::new();
    for (index, name) in names.into_iter().enumerate() {
        let at = FieldPath::root().key("headers").key("remove").index(index);
        sound.extend(checked(&name, at, reader));
    }
    sound
}

fn values(
    key: &str,
    pairs: BTreeMap<String, String>,
    reader: &mut Reader<'_>,
) -> BTreeMap<String, String> {
    let mut sound = BTreeMap::new();
    for (name, value) in pairs {
        let at = FieldPath::root().key("headers").key(key).key(name.clone());
        let wrong = match () {
            () if value.is_empty() => Some("is empty"),
            () if value.len() > LONGEST => Some("is too long"),
            () if value.trim() != value => Some("begins or ends with a space"),
            () if !value
                .chars()
                .all(|c| c == '\t' || c == ' ' || c.is_ascii_graphic()) =>
            {
                Some("has characters that a header cannot have")
            }
            () => None,
        };
        if let Some(wrong) = wrong {
            reader.error(
                Code::BadConfigValue,
                at.clone(),
                format!("the value of the header `{name}` {wrong}"),
                format!("give 1 to {LONGEST} visible ASCII characters; a header is taken away by `headers.remove`"),
            );
        }
        let Some(name) = checked(&name, at.clone(), reader) else {
            continue;
        };
        if sound.insert(name.clone(), value).is_some() {
            reader.error(
                Code::BadConfigValue,
                at,
                format!("the header `{name}` is given twice"),
                "names of headers that differ in case are the same".to_owned(),
            );
        }
    }
    sound
}

/// The name in lower case, if it is one that may be changed.
fn checked(name: &str, at: FieldPath, reader: &mut Reader<'_>) -> Option<String> {
    let lower = name.to_ascii_lowercase();
    // RFC 9110, section 5.6.2.
    let fits = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let ours = OURS.iter().find(|(header, _)| *header == lower);
    let (message, help) = match ours {
        Some((_, reason)) => (
            format!("the header `{name}` of a copy cannot be changed: {reason}"),
            "take it out".to_owned(),
        ),
        None if lower.starts_with(NOTES) => (
            format!("the header `{name}` of a copy cannot be changed: sidecars use it themselves"),
            "take it out, or name it otherwise".to_owned(),
        ),
        None if lower.starts_with(':') => (
            format!("`{name}` is not a header but a part of the request line"),
            "the Host and the path have keys of their own, `host` and `path`".to_owned(),
        ),
        None if lower.is_empty() || !lower.chars().all(fits) => (
            format!("{name:?} is not the name of a header"),
            "give letters, digits and dashes: `x-shadow`".to_owned(),
        ),
        None if lower.contains('*') => (
            format!("`{name}` is no pattern: it would be a header whose name has a `*`"),
            "name each header".to_owned(),
        ),
        None => return Some(lower),
    };
    reader.error(Code::BadConfigValue, at, message, help);
    None
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::{Value, json};

    use super::super::read;
    use crate::diag::Report;
    use crate::dialect::fixture::{found, nowhere};
    use crate::model::HeaderEdits;

    fn headers(value: Value) -> Result<HeaderEdits, Vec<String>> {
        let config = json!({
            "namespace": "n", "service": "s", "port": 1, "percentage": {"value": 1}, "headers": value,
        });
        let mut report = Report::default();
        let spec = read(&config, &nowhere(), "otherwise", &mut report);
        match spec {
            Some(spec) if report.iter().next().is_none() => Ok(spec.terms.copy.headers.clone()),
            _ => Err(found(&report)),
        }
    }

    #[test]
    fn headers_are_removed_set_and_added() {
        let map = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
        let edits = HeaderEdits {
            set: map("x-env", "100% shadow"),
            add: map("authorization", "Bearer \"t\""),
            remove: BTreeSet::from(["cookie".to_owned()]),
        };
        let value = json!({
            "set": {"X-Env": "100% shadow"},
            "add": {"authorization": "Bearer \"t\""},
            "remove": ["Cookie", "cookie"],
        });
        assert_eq!(headers(value), Ok(edits));
    }

    #[test]
    fn what_is_no_header_or_not_a_user_s_is_told() {
        for (value, at) in [
            (json!({"set": {"Host": "a"}}), "set.Host"),
            (json!({"set": {":path": "/"}}), "set.:path"),
            (
                json!({"add": {"x-mirror-shadow": "a"}}),
                "add.x-mirror-shadow",
            ),
            (
                json!({"add": {"X-Mirrorplane-Xff": "a"}}),
                "add.X-Mirrorplane-Xff",
            ),
            (json!({"remove": ["x-request-id"]}), "remove[0]"),
            (json!({"remove": ["x", "content-length"]}), "remove[1]"),
            (json!({"remove": [""]}), "remove[0]"),
            (json!({"remove": ["x-*"]}), "remove[0]"),
            (json!({"remove": [1]}), "remove[0]"),
            (json!({"remove": "cookie"}), "remove"),
            (json!({"set": {"a b": "c"}}), "set.a b"),
            (json!({"set": {"x": ""}}), "set.x"),
            (json!({"set": {"x": " a"}}), "set.x"),
            (json!({"set": {"x": "a\nb: c"}}), "set.x"),
            (json!({"set": {"x": "ä"}}), "set.x"),
            (json!({"set": {"x": 1}}), "set.x"),
            (json!({"set": {"x": "1", "X": "2"}}), "set.x"),
            (json!({"set": ["x"]}), "set"),
        ] {
            let expected = vec![format!("BadConfigValue spec.config.headers.{at}")];
            assert_eq!(headers(value.clone()), Err(expected), "{value}");
        }
        let many: Value = (0..65).map(|n| json!(format!("x-{n}"))).collect();
        assert_eq!(
            headers(json!({"remove": many})),
            Err(vec!["BadConfigValue spec.config.headers".to_owned()])
        );
        assert_eq!(
            headers(json!({"sett": {}})),
            Err(vec!["UnknownConfigKey spec.config.headers.sett".to_owned()])
        );
    }
}
