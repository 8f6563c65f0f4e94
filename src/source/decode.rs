//! A JSON value → one of our types, with what is wrong told in plain words.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::diag::FieldPath;
use crate::diag::Segment;
use crate::diag::nearest;

/// A field that is missing or has the wrong type.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct WrongField {
    /// The field.
    pub(crate) path: FieldPath,
    /// What is wrong with it.
    pub(crate) message: String,
    /// What to do; may be empty.
    pub(crate) help: String,
}

/// A field that no type knows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UnknownField {
    /// The field.
    pub(crate) path: FieldPath,
    /// The known field that was probably meant.
    pub(crate) nearest: Option<String>,
    /// All fields that are known beside it.
    pub(crate) known: Vec<String>,
}

/// Decodes a value. Also yields the fields that were not read.
pub(crate) fn decode<T>(value: &Value) -> Result<(T, Vec<UnknownField>), WrongField>
where
    T: DeserializeOwned + Serialize,
{
    let mut track = serde_path_to_error::Track::new();
    let mut ignored = Vec::new();
    let mut ignore = |path: serde_ignored::Path<'_>| ignored.push(ignored_path(&path));
    let tracked = serde_path_to_error::Deserializer::new(value, &mut track);
    match T::deserialize(serde_ignored::Deserializer::new(tracked, &mut ignore)) {
        Ok(object) => {
            let known = serde_json::to_value(&object).unwrap_or_default();
            if let Some(path) = list_for_mapping(value, &known, FieldPath::root()) {
                return Err(explain(value, path, ", expected a map"));
            }
            let unknown = ignored
                .into_iter()
                .map(|path| {
                    let (nearest, known) = siblings(&known, &path).unwrap_or_default();
                    UnknownField {
                        path,
                        nearest,
                        known,
                    }
                })
                .collect();
            Ok((object, unknown))
        }
        Err(error) => Err(explain(
            value,
            tracked_path(&track.path()),
            &error.to_string(),
        )),
    }
}

/// The known field beside `path` with a name like its last step, and all of them. The type itself says which fields there
/// are: it writes them all.
fn siblings(known: &Value, path: &FieldPath) -> Option<(Option<String>, Vec<String>)> {
    let (Segment::Key(key), parents) = path.segments().split_last()? else {
        return None;
    };
    let fields = get(known, parents)?.as_object()?;
    let nearest = nearest(key, fields.keys().map(String::as_str)).map(str::to_owned);
    Some((nearest, fields.keys().cloned().collect()))
}

fn get<'a>(value: &'a Value, path: &[Segment]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, step| match step {
        Segment::Key(key) => value.get(key),
        Segment::Index(index) => value.get(index),
    })
}

/// Finds a list where a mapping belongs. Serde takes the items of a list for the fields of a struct, in order: `[]` would
/// be a selector that selects everything.
fn list_for_mapping(value: &Value, known: &Value, path: FieldPath) -> Option<FieldPath> {
    match (value, known) {
        (Value::Array(_), Value::Object(_)) => Some(path),
        (Value::Array(items), Value::Array(known)) => {
            items
                .iter()
                .zip(known)
                .enumerate()
                .find_map(|(index, (item, known))| {
                    list_for_mapping(item, known, path.clone().index(index))
                })
        }
        (Value::Object(fields), Value::Object(known)) => fields.iter().find_map(|(key, field)| {
            list_for_mapping(field, known.get(key)?, path.clone().key(key))
        }),
        _ => None,
    }
}

/// serde's message in plain words. Serde knows what it expected, but says it in Rust; what was found is in the value.
fn explain(value: &Value, path: FieldPath, error: &str) -> WrongField {
    if let Some(field) = error
        .strip_prefix("missing field `")
        .and_then(|rest| rest.strip_suffix('`'))
    {
        let near = get(value, path.segments())
            .and_then(Value::as_object)
            .and_then(|fields| nearest(field, fields.keys().map(String::as_str)));
        let path = path.key(field);
        return WrongField {
            message: format!("`{path}` is missing"),
            help: near.map_or_else(String::new, |near| {
                format!("there is a `{near}`; write `{field}` if that is meant")
            }),
            path,
        };
    }
    let expected = if error.starts_with("data did not match any variant") {
        "a whole number or a text"
    } else {
        error
            .rsplit_once(", expected ")
            .map_or("something else", |(_, expected)| in_words(expected))
    };
    let found = get(value, path.segments());
    wrong_type(path, expected, found)
}

/// A field of another type than the expected one, which is given in plain words.
pub(super) fn wrong_type(path: FieldPath, expected: &str, found: Option<&Value>) -> WrongField {
    let subject = if path.segments().is_empty() {
        "the object".to_owned()
    } else {
        format!("`{path}`")
    };
    let help = match found {
        Some(Value::Bool(_) | Value::Number(_)) if expected.ends_with("a text") => {
            let is_time =
                |name: &str| matches!(name, "timeout" | "window" | "duration" | "slowAfter");
            match (found, path.segments().last()) {
                (Some(Value::Number(number)), Some(Segment::Key(name))) if is_time(name) => {
                    format!("add a unit: `{number}s`")
                }
                (Some(Value::Number(number)), _) if number.is_f64() && expected != "a text" => {
                    "write a whole number".to_owned()
                }
                _ => "put the value in quotes".to_owned(),
            }
        }
        Some(Value::String(text)) if expected.contains("number") && is_number(text) => {
            format!("write it without quotes: `{text}`")
        }
        _ => String::new(),
    };
    WrongField {
        message: format!(
            "{subject} must be {expected}, not {}",
            found.map_or_else(|| "what it is".to_owned(), describe)
        ),
        help,
        path,
    }
}

fn is_number(text: &str) -> bool {
    text.parse::<f64>().is_ok_and(f64::is_finite)
}

fn in_words(expected: &str) -> &str {
    match expected {
        "a string" | "string" => "a text",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "a mapping",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "i64" | "u64" => "a whole number",
        "string or map" => "one of its words",
        "f64" => "a number",
        other if other.starts_with("struct ") => "a mapping",
        other => other,
    }
}

/// A value, shortly.
fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => format!("the boolean {value}"),
        Value::Number(value) => format!("the number {value}"),
        Value::String(text) if text.chars().count() > 40 => {
            let start: String = text.chars().take(40).collect();
            format!("the text \"{start}…\"")
        }
        Value::String(text) => format!("the text \"{text}\""),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a mapping".to_owned(),
    }
}

fn tracked_path(path: &serde_path_to_error::Path) -> FieldPath {
    path.iter()
        .fold(FieldPath::root(), |path, step| match step {
            serde_path_to_error::Segment::Map { key } => path.key(key),
            serde_path_to_error::Segment::Seq { index } => path.index(*index),
            // The remaining steps stand for a Rust type, not for a place in the text.
            _ => path,
        })
}

fn ignored_path(path: &serde_ignored::Path<'_>) -> FieldPath {
    match path {
        serde_ignored::Path::Root => FieldPath::root(),
        serde_ignored::Path::Map { parent, key } => ignored_path(parent).key(key),
        serde_ignored::Path::Seq { parent, index } => ignored_path(parent).index(*index),
        serde_ignored::Path::Some { parent }
        | serde_ignored::Path::NewtypeStruct { parent }
        | serde_ignored::Path::NewtypeVariant { parent } => ignored_path(parent),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::Value;
    use serde_json::json;

    use super::WrongField;
    use super::decode;
    use crate::api::core::Service;
    use crate::api::mesh_config::MeshConfig;
    use crate::api::mirror_config::BudgetConfig;
    use crate::api::plugin::PluginChain;
    use crate::api::plugin::PluginConfig;

    fn wrong<T: serde::de::DeserializeOwned + serde::Serialize>(value: Value) -> WrongField {
        decode::<T>(&value).err().unwrap()
    }

    #[test]
    fn a_wrong_field_is_told_with_its_path_in_plain_words() {
        let service = |spec: Value| wrong::<Service>(json!({"metadata": {}, "spec": spec}));
        let config = |spec: Value| wrong::<PluginConfig>(json!({"metadata": {}, "spec": spec}));
        for (error, path, message) in [
            (
                service(json!({"ports": [{"port": "http"}]})),
                "spec.ports[0].port",
                "`spec.ports[0].port` must be a whole number from 0 to 65535, not the text \"http\"",
            ),
            (
                service(json!({"ports": [{"port": 70000}]})),
                "spec.ports[0].port",
                "`spec.ports[0].port` must be a whole number from 0 to 65535, not the number 70000",
            ),
            (
                service(json!({"ports": [{"port": 80, "targetPort": {}}]})),
                "spec.ports[0].targetPort",
                "`spec.ports[0].targetPort` must be a whole number or a text, not a mapping",
            ),
            (
                service(json!({"ports": {}})),
                "spec.ports",
                "`spec.ports` must be a list, not a mapping",
            ),
            (
                service(json!({"selector": {"app": true}})),
                "spec.selector.app",
                "`spec.selector.app` must be a text, not the boolean true",
            ),
            (
                config(json!({"plugin": "p", "config": {}})),
                "spec.destinationRefs",
                "`spec.destinationRefs` is missing",
            ),
            (
                config(json!(7)),
                "spec",
                "`spec` must be a mapping, not the number 7",
            ),
            (
                wrong::<MeshConfig>(
                    json!({"metadata": {}, "spec": {"featureFlags": {"enablePluginPolicy": "on"}}}),
                ),
                "spec.featureFlags.enablePluginPolicy",
                "`spec.featureFlags.enablePluginPolicy` must be true or false, not the text \"on\"",
            ),
            (
                wrong::<PluginChain>(
                    json!({"metadata": {}, "spec": {"chains": [], "selectors": []}}),
                ),
                "spec.selectors",
                "`spec.selectors` must be a mapping, not a list",
            ),
            (
                wrong::<Service>(json!([])),
                "",
                "the object must be a mapping, not a list",
            ),
            (
                wrong::<Service>(json!("x")),
                "",
                "the object must be a mapping, not the text \"x\"",
            ),
        ] {
            assert_eq!(
                (error.path.to_string().as_str(), error.message.as_str()),
                (path, message)
            );
        }
    }

    #[test]
    fn help_is_given_where_the_remedy_is_clear() {
        let error = wrong::<Service>(json!({"metadata": {"labels": {"v": 1}}}));
        assert_eq!(error.help, "put the value in quotes");
        for (value, message, help) in [
            (
                json!({"budget": {"window": 30}}),
                "must be a text, not the number 30",
                "add a unit: `30s`",
            ),
            (
                json!({"budget": {"minRequests": "20"}}),
                "must be a whole number from 0 to 4294967295, not the text \"20\"",
                "write it without quotes: `20`",
            ),
            (
                json!({"budget": {"minRequests": 1.5}}),
                "must be a whole number from 0 to 4294967295, not the number 1.5",
                "",
            ),
        ] {
            let error = wrong::<BTreeMap<String, BudgetConfig>>(value);
            assert!(error.message.ends_with(message), "{}", error.message);
            assert_eq!(error.help, help);
        }
        let error = wrong::<PluginConfig>(
            json!({"metadata": {}, "spec": {"plugin": "p", "config": {}, "destinationrefs": []}}),
        );
        assert_eq!(
            error.help,
            "there is a `destinationrefs`; write `destinationRefs` if that is meant"
        );
    }

    #[test]
    fn unknown_fields_come_with_the_field_that_was_meant() {
        let value = json!({"metadata": {}, "spec": {
            "chains": [{"name": "outbound-http", "plugins": [], "Plugin": 1}],
            "selectors": {"podSelector": {"matchLabel": {}, "matchLabels": {}}},
            "zzz": 1,
        }});
        let (_, unknown) = decode::<PluginChain>(&value).unwrap();
        let unknown: Vec<_> = unknown
            .iter()
            .map(|field| (field.path.to_string(), field.nearest.as_deref()))
            .collect();
        assert_eq!(
            unknown,
            [
                ("spec.chains[0].Plugin".to_owned(), Some("plugins")),
                (
                    "spec.selectors.podSelector.matchLabel".to_owned(),
                    Some("matchLabels")
                ),
                ("spec.zzz".to_owned(), None),
            ]
        );
    }
}
