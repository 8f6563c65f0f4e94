//! Structural schemas, as an API server wants them, from what schemars derives.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// The schema of a whole kind. An object without `spec` is accepted, as by osm-edge and fsm.
pub(super) fn of_kind<T: JsonSchema>(status: Option<Value>) -> Value {
    let mut schema = of_type::<T>();
    let spec = schema["properties"]["spec"].take();
    let mut properties = json!({
        "apiVersion": {
            "type": "string",
            "description": "The group and version of this form of the object.",
        },
        "kind": {"type": "string", "description": "What the object is."},
        "metadata": {"type": "object"},
        "spec": spec,
    });
    if let Some(status) = status {
        properties["status"] = status;
    }
    json!({
        "description": schema["description"],
        "type": "object",
        "properties": properties,
    })
}

/// The schema of a type.
pub(super) fn of_type<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::openapi3().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value();
    restrict(&mut schema);
    schema
}

/// The same keys and descriptions, with no demand on any value.
pub(super) fn opened(mut schema: Value) -> Value {
    open(&mut schema);
    schema
}

/// The schema at a path of properties, `[]` for what a list holds.
///
/// # Panics
///
/// If there is none, which no input can bring about: the path and the type are both in this crate.
pub(super) fn node<'a>(schema: &'a mut Value, path: &[&str]) -> &'a mut Value {
    path.iter().fold(schema, |schema, step| match *step {
        "[]" => &mut schema["items"],
        name => &mut schema["properties"][name],
    })
}

/// Everything below a schema that is a schema.
fn inner(schema: &mut Map<String, Value>) -> Vec<&mut Value> {
    let mut found = Vec::new();
    for (key, value) in schema {
        match (key.as_str(), value) {
            ("properties", Value::Object(properties)) => found.extend(properties.values_mut()),
            ("items" | "additionalProperties", value @ Value::Object(_)) => found.push(value),
            _ => {}
        }
    }
    found
}

/// Leaves what a structural schema can say.
fn restrict(schema: &mut Value) {
    let Value::Object(keys) = schema else {
        return;
    };
    // A default would be written into every object; that a field may be absent is said by `required`.
    for key in ["title", "default", "nullable", "$schema"] {
        keys.remove(key);
    }
    if let Some(Value::String(description)) = keys.get_mut("description") {
        *description = as_text(description);
    }
    if let Some(words) = keys.remove("oneOf").as_ref().and_then(words) {
        keys.insert("type".to_owned(), json!("string"));
        keys.insert("enum".to_owned(), words);
    }
    if let Some(choice) = keys.remove("anyOf") {
        let kinds = |kind: &str| {
            let mut choices = choice.as_array().into_iter().flatten();
            choices.any(|choice| choice["type"] == kind)
        };
        if kinds("integer") && kinds("string") {
            keys.insert("x-kubernetes-int-or-string".to_owned(), json!(true));
        }
    }
    let is_closed = keys.contains_key("type") || keys.contains_key("x-kubernetes-int-or-string");
    if !is_closed {
        keys.insert(
            "x-kubernetes-preserve-unknown-fields".to_owned(),
            json!(true),
        );
    }
    if keys.get("type") == Some(&json!("array")) && is_conditions(keys) {
        keys.insert("x-kubernetes-list-type".to_owned(), json!("map"));
        keys.insert("x-kubernetes-list-map-keys".to_owned(), json!(["type"]));
    }
    for schema in inner(keys) {
        restrict(schema);
    }
}

fn is_conditions(keys: &Map<String, Value>) -> bool {
    keys.get("items")
        .is_some_and(|items| items["properties"].get("lastTransitionTime").is_some())
}

/// The words of an enumeration whose words are described one by one.
fn words(choices: &Value) -> Option<Value> {
    let mut words = Vec::new();
    for choice in choices.as_array()? {
        words.extend(choice["enum"].as_array()?.iter().cloned());
    }
    Some(Value::Array(words))
}

/// A doc comment without the marks of rustdoc's links, in one paragraph.
fn as_text(description: &str) -> String {
    let text = description.replace("[`", "`").replace("`]", "`");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn open(schema: &mut Value) {
    let Value::Object(keys) = schema else {
        return;
    };
    keys.retain(|key, _| matches!(key.as_str(), "description" | "properties"));
    keys.insert(
        "x-kubernetes-preserve-unknown-fields".to_owned(),
        json!(true),
    );
    for schema in inner(keys) {
        open(schema);
    }
}
