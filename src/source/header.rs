//! What an object is: `apiVersion`, `kind`, and its name.

use serde_json::Map;
use serde_json::Value;

use super::decode::WrongField;
use super::decode::wrong_type;
use super::kind::Kind;
use crate::diag::Code;
use crate::diag::FieldPath;
use crate::name::Namespaced;

/// A header that does not say what the object is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadHeader {
    pub(super) code: Code,
    pub(super) wrong: WrongField,
}

/// `apiVersion` and `kind`.
pub(super) fn type_of(fields: &Map<String, Value>) -> Result<(&str, &str), BadHeader> {
    let part = |key| {
        let text = fields.get(key).and_then(Value::as_str);
        text.filter(|text| !text.is_empty())
    };
    let (path, needs) = match (part("apiVersion"), part("kind")) {
        (Some(api_version), Some(kind)) => return Ok((api_version, kind)),
        (Some(_), None) => ("kind", "a `kind`"),
        (None, Some(_)) => ("apiVersion", "an `apiVersion`"),
        (None, None) => ("apiVersion", "an `apiVersion` and a `kind`"),
    };
    Err(BadHeader {
        code: Code::NotAnObject,
        wrong: WrongField {
            path: FieldPath::of(path),
            message: format!("not a Kubernetes object: it needs {needs}"),
            help: String::new(),
        },
    })
}

/// The name of an object. As with `kubectl`, a namespaced object without a namespace belongs to `default`; the namespace
/// of a cluster-scoped object means nothing.
pub(super) fn name_of(kind: Kind, fields: &Map<String, Value>) -> Result<Namespaced, BadHeader> {
    let metadata = match fields.get("metadata") {
        None | Some(Value::Null) => None,
        Some(Value::Object(metadata)) => Some(metadata),
        Some(other) => {
            return Err(bad(wrong_type(
                FieldPath::of("metadata"),
                "a mapping",
                Some(other),
            )));
        }
    };
    let part = |key| name(metadata.and_then(|metadata| metadata.get(key)), key);
    let name = part("name")?.ok_or_else(|| BadHeader {
        code: Code::NoName,
        wrong: WrongField {
            path: FieldPath::of("metadata.name"),
            message: format!("a {} without a name", kind.name()),
            help: String::new(),
        },
    })?;
    Ok(if kind.is_cluster_scoped() {
        Namespaced::cluster(name)
    } else {
        Namespaced::new(part("namespace")?.unwrap_or("default"), name)
    })
}

/// Whether an object says which namespace it is in; one of a cluster-scoped kind is in none.
pub(super) fn names_namespace(kind: Kind, fields: &Map<String, Value>) -> bool {
    let namespace = fields
        .get("metadata")
        .and_then(|metadata| metadata.get("namespace"));
    kind.is_cluster_scoped()
        || namespace
            .and_then(Value::as_str)
            .is_some_and(|text| !text.is_empty())
}

fn name<'a>(value: Option<&'a Value>, key: &str) -> Result<Option<&'a str>, BadHeader> {
    let path = FieldPath::of("metadata").key(key);
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) if is_dns_name(text) => Ok(Some(text)),
        Some(Value::String(_)) => Err(bad(WrongField {
            message: format!("`{path}` is not a name that Kubernetes takes"),
            path,
            help: "a name has lower-case letters, digits, `-` and `.`, and begins and ends with a letter or a digit"
                .to_owned(),
        })),
        Some(other) => Err(bad(wrong_type(path, "a text", Some(other)))),
    }
}

fn bad(wrong: WrongField) -> BadHeader {
    BadHeader {
        code: Code::WrongType,
        wrong,
    }
}

/// RFC 1123 subdomain, the rule of Kubernetes for the names of all kinds that are read.
fn is_dns_name(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.len() <= 253
        && text.split('.').all(|label| {
            label.bytes().all(|byte| inner(byte) || byte == b'-')
                && label.bytes().next().is_some_and(inner)
                && label.bytes().last().is_some_and(inner)
        })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use serde_json::json;

    use super::is_dns_name;
    use super::name_of;
    use super::type_of;
    use crate::diag::Code;
    use crate::source::kind::Kind;

    #[test]
    fn a_name_is_read_with_the_scope_of_its_kind() {
        for (kind, metadata, expected) in [
            (Kind::Service, json!({"name": "a", "namespace": "b"}), "b/a"),
            (Kind::Service, json!({"name": "a"}), "default/a"),
            (
                Kind::Service,
                json!({"name": "a", "namespace": null}),
                "default/a",
            ),
            (Kind::Plugin, json!({"name": "a", "namespace": 7}), "a"),
        ] {
            let Value::Object(fields) = json!({ "metadata": metadata }) else {
                continue;
            };
            assert_eq!(name_of(kind, &fields).unwrap().to_string(), expected);
        }
    }

    #[test]
    fn a_header_without_a_name_says_what_is_wrong() {
        for (metadata, code, message) in [
            (json!(null), Code::NoName, "a Service without a name"),
            (
                json!({"name": ""}),
                Code::NoName,
                "a Service without a name",
            ),
            (
                json!({"name": "a", "namespace": false}),
                Code::WrongType,
                "`metadata.namespace` must be a text, not the boolean false",
            ),
            (
                json!({"name": "a/b"}),
                Code::WrongType,
                "`metadata.name` is not a name that Kubernetes takes",
            ),
            (
                json!([]),
                Code::WrongType,
                "`metadata` must be a mapping, not a list",
            ),
        ] {
            let Value::Object(fields) = json!({ "metadata": metadata }) else {
                continue;
            };
            let error = name_of(Kind::Service, &fields).unwrap_err();
            assert_eq!((error.code, error.wrong.message.as_str()), (code, message));
        }
    }

    #[test]
    fn a_type_needs_both_of_its_parts() {
        for (fields, expected) in [
            (
                json!({"apiVersion": "v1", "kind": "Pod"}),
                Ok(("v1", "Pod")),
            ),
            (json!({"apiVersion": "v1", "kind": ""}), Err("kind")),
            (json!({"apiVersion": 1, "kind": "Pod"}), Err("apiVersion")),
            (json!({}), Err("apiVersion")),
        ] {
            let Value::Object(fields) = fields else {
                continue;
            };
            let result = type_of(&fields).map_err(|error| error.wrong.path.to_string());
            assert_eq!(result, expected.map_err(str::to_owned));
        }
    }

    #[test]
    fn names_follow_the_rule_of_kubernetes() {
        for (name, expected) in [
            ("a", true),
            ("pipy-ok-v1.x.0", true),
            ("", false),
            ("A", false),
            ("a/b", false),
            ("a|b", false),
            ("-a", false),
            ("a-.b", false),
            ("a..b", false),
            ("é", false),
        ] {
            assert_eq!(is_dns_name(name), expected, "{name}");
        }
        assert!(!is_dns_name(&"a".repeat(254)));
    }
}
