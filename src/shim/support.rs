//! Which fields a message may have.
//!
//! Every field that is set must stand in the table. So a message that asks for something the shim would not do is
//! refused by name, where a decoder would drop what it does not know in silence.

use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::LazyLock;

use prost_reflect::{DynamicMessage, MapKey, ReflectMessage, Value};

use super::config::Rejection;
use super::supported::SUPPORTED;
use super::supported_routes::ROUTES;
use crate::proto;

static TABLE: LazyLock<HashMap<&str, HashSet<&str>>> = LazyLock::new(|| {
    SUPPORTED
        .iter()
        .chain(ROUTES)
        .map(|(message, fields)| (*message, fields.iter().copied().collect()))
        .collect()
});

/// Checks the bytes of one resource.
pub(super) fn check(type_url: &str, body: &[u8]) -> Result<(), Rejection> {
    any("", type_url, body)
}

fn any(path: &str, type_url: &str, body: &[u8]) -> Result<(), Rejection> {
    match proto::decode(type_url, body) {
        Ok(inner) if TABLE.contains_key(inner.descriptor().full_name()) => message(path, &inner),
        Ok(_) | Err(proto::DecodeError::UnknownType(_)) => Err(Rejection::new(
            path,
            format!("has the type `{type_url}`, which is not supported by the shim"),
        )),
        Err(error) => Err(Rejection::new(path, format!("is {error}"))),
    }
}

fn message(path: &str, message: &DynamicMessage) -> Result<(), Rejection> {
    let descriptor = message.descriptor();
    if let Some(unknown) = message.unknown_fields().next() {
        return Err(unsupported(&format!(
            "{}field {}",
            dotted(path),
            unknown.number()
        )));
    }
    let allowed = TABLE.get(descriptor.full_name());
    for (field, content) in message.fields() {
        let path = format!("{}{}", dotted(path), field.name());
        if !allowed.is_some_and(|allowed| allowed.contains(field.name())) {
            return Err(unsupported(&path));
        }
        value(&path, content)?;
    }
    Ok(())
}

fn value(path: &str, content: &Value) -> Result<(), Rejection> {
    match content {
        Value::Message(inner) => match inner.descriptor().full_name() {
            "google.protobuf.Any" => {
                let type_url = inner.get_field_by_name("type_url");
                let body = inner.get_field_by_name("value");
                match (type_url.as_deref(), body.as_deref()) {
                    (Some(Value::String(type_url)), Some(Value::Bytes(body))) => {
                        any(path, type_url, body)
                    }
                    _ => Err(unsupported(path)),
                }
            }
            name if name.starts_with("google.protobuf.") => Ok(()),
            _ => message(path, inner),
        },
        Value::List(items) => items
            .iter()
            .enumerate()
            .try_for_each(|(index, item)| value(&format!("{path}[{index}]"), item)),
        Value::Map(entries) => entries.iter().try_for_each(|(key, item)| match key {
            MapKey::String(key) => value(&format!("{path}[\"{key}\"]"), item),
            _ => Err(unsupported(path)),
        }),
        _ => Ok(()),
    }
}

fn dotted(path: &str) -> String {
    if path.is_empty() {
        String::new()
    } else {
        format!("{path}.")
    }
}

fn unsupported(path: &str) -> Rejection {
    Rejection::new(path, "is not supported by the shim")
}

#[cfg(test)]
#[path = "support_tests.rs"]
mod tests;
