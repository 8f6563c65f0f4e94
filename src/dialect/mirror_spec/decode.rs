//! The keys of `spec.config`: which are there, which are missing, which are of the wrong type.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::empty;
use super::keys::{EXTERNAL, KEYS, Key, OF_SERVICES, PERCENTAGE_KEYS, Presence};
use crate::api::mirror_config::MirrorConfig;
use crate::diag::{Code, Diagnostic, FieldPath, Origin, Report, nearest};
use crate::source::{UnknownField, WrongField, decode};

/// Stands in for a required value that is missing or wrong, so that what is wrong elsewhere comes to light too.
const STAND_IN: &str = "?";

/// Reads one `spec.config`, and reports what is wrong with it.
pub(super) struct Reader<'a> {
    /// Where the object comes from.
    pub(super) origin: &'a Origin,
    /// The effect of an error.
    pub(super) if_invalid: &'a str,
    /// What is said.
    pub(super) report: &'a mut Report,
    /// Whether nothing was wrong.
    pub(super) is_sound: bool,
    /// The keys whose value was missing or wrong; what stands in for it is not to be looked at.
    pub(super) wrong: BTreeSet<String>,
    /// The values of the keys that are read apart.
    pub(super) apart: Map<String, Value>,
}

impl Reader<'_> {
    /// Reports an error at a path within `spec.config`.
    pub(super) fn error(&mut self, code: Code, path: FieldPath, message: String, help: String) {
        self.is_sound = false;
        let path = FieldPath::of("spec.config").join(&path);
        self.report.push(
            Diagnostic::new(code, self.origin, path, message)
                .effect(self.if_invalid)
                .help(help),
        );
    }

    /// Decodes with serde. It stops at the first wrong value, so each one that it names is reported and put aside, and
    /// the rest decoded again. `None` if there is nothing to go on with.
    pub(super) fn decode(&mut self, config: &Value) -> Option<MirrorConfig> {
        let mut keys = match config {
            Value::Object(keys) => keys.clone(),
            Value::Null => Map::new(),
            other => {
                self.bad_value(FieldPath::root(), other, "a mapping");
                return None;
            }
        };
        for Key(key, _, _) in KEYS.iter().filter(|key| key.2 == Presence::Apart) {
            self.apart.extend(keys.remove_entry(*key));
        }
        self.stand_in_for_missing(&mut keys);
        // A derived reader takes a sequence for a mapping; nobody means that.
        if let Some(list @ Value::Array(_)) = keys.get("percentage") {
            let list = list.clone();
            self.put_aside(
                "percentage",
                &list,
                FieldPath::root().key("percentage"),
                &mut keys,
            );
        }
        loop {
            let mut unknown = Vec::new();
            let mut track = serde_path_to_error::Track::new();
            let whole = Value::Object(keys.clone());
            let tracked = serde_path_to_error::Deserializer::new(&whole, &mut track);
            let decoded: Result<MirrorConfig, _> =
                serde_ignored::deserialize(tracked, |path| unknown.push(ignored_path(&path)));
            match decoded {
                Ok(decoded) => {
                    for path in unknown {
                        self.unknown_key(path);
                    }
                    return Some(decoded);
                }
                Err(error) => {
                    let path = error_path(&track.path());
                    let key = path.first().cloned().unwrap_or_default();
                    let value = keys.get(&key).cloned();
                    match value {
                        Some(value) if !self.wrong.contains(&key) => {
                            let path = path.into_iter().fold(FieldPath::root(), FieldPath::key);
                            self.put_aside(&key, &value, path, &mut keys);
                        }
                        // Not reached while KEYS tells which keys are required.
                        _ => {
                            let path = FieldPath::root();
                            self.error(
                                Code::BadConfigValue,
                                path,
                                error.to_string(),
                                String::new(),
                            );
                            return None;
                        }
                    }
                }
            }
        }
    }

    /// Reads a key that may be absent. `None`, with the reason reported, if it holds no `T`, or nothing.
    pub(super) fn optional<T>(&mut self, key: &str) -> Option<T>
    where
        T: DeserializeOwned + Serialize,
    {
        let value = self.apart.get(key)?;
        if value.is_null() {
            self.empty(FieldPath::root().key(key));
            return None;
        }
        let nothing = empty::find(key, value);
        // As a mapping of one key, for the sake of the paths in what is said.
        match decode(&json!({ key: value })) {
            Ok((mut read, unknown)) => {
                if let (true, Some(at)) = (unknown.is_empty(), nothing) {
                    self.empty(at);
                    return None;
                }
                for UnknownField {
                    path,
                    nearest,
                    known,
                } in unknown
                {
                    let message = format!("`{path}` is not a key of a mirror's configuration");
                    let help = nearest.map_or_else(
                        || match known.is_empty() {
                            true => "remove it".to_owned(),
                            false => format!("remove it; the keys are `{}`", known.join("`, `")),
                        },
                        |meant| format!("did you mean `{meant}`?"),
                    );
                    self.error(Code::UnknownConfigKey, path, message, help);
                }
                let read: &mut BTreeMap<String, T> = &mut read;
                read.remove(key)
            }
            Err(WrongField {
                path,
                message,
                help,
            }) => {
                let holds = KEYS.iter().find(|known| known.0 == key);
                let help = match holds {
                    Some(Key(_, holds, _)) if help.is_empty() && path.segments().len() == 1 => {
                        format!("it has to be {holds}")
                    }
                    _ => help,
                };
                self.error(Code::BadConfigValue, path, message, help);
                None
            }
        }
    }

    fn empty(&mut self, at: FieldPath) {
        let (message, help) = (format!("`{at}` is empty"), empty::help(&at).to_owned());
        self.error(Code::BadConfigValue, at, message, help);
    }

    fn stand_in_for_missing(&mut self, keys: &mut Map<String, Value>) {
        let is_there = |key: Option<&Value>| key.is_some_and(|key| !key.is_null());
        let is_external = is_there(self.apart.get(EXTERNAL));
        for Key(key, holds, presence) in KEYS {
            let absent = !is_there(keys.get(key));
            if is_external && OF_SERVICES.contains(&key) {
                if is_there(self.apart.get(key)) {
                    self.apart.remove(key);
                    self.beside_external(key);
                }
            } else if is_external && presence == Presence::Required {
                if !absent {
                    self.beside_external(key);
                }
                self.wrong.insert(key.to_owned());
                keys.insert(key.to_owned(), STAND_IN.into());
            } else if absent && presence == Presence::Required {
                self.error(
                    Code::ConfigKeyMissing,
                    FieldPath::root().key(key),
                    format!("`{key}` is missing in spec.config"),
                    format!("add `{key}`, {holds}"),
                );
                self.wrong.insert(key.to_owned());
                keys.insert(key.to_owned(), STAND_IN.into());
            }
        }
    }

    fn beside_external(&mut self, key: &str) {
        self.error(
            Code::BadConfigValue,
            FieldPath::root().key(key),
            format!("`{key}` means nothing beside `{EXTERNAL}`"),
            format!("a target is a Service or a host outside: take `{key}` or `{EXTERNAL}` out"),
        );
    }

    /// Reports the wrong value of a key, and replaces it.
    fn put_aside(
        &mut self,
        key: &str,
        value: &Value,
        path: FieldPath,
        keys: &mut Map<String, Value>,
    ) {
        let known = KEYS.iter().find(|known| known.0 == key);
        self.bad_value(path, value, known.map_or("another value", |known| known.1));
        self.wrong.insert(key.to_owned());
        if known.is_some_and(|known| known.2 == Presence::Required) {
            keys.insert(key.to_owned(), STAND_IN.into());
        } else {
            keys.remove(key);
        }
    }

    fn bad_value(&mut self, path: FieldPath, value: &Value, expected: &str) {
        let name = FieldPath::of("spec.config").join(&path);
        let message = format!("`{name}` cannot be {}", described(value));
        self.error(
            Code::BadConfigValue,
            path,
            message,
            format!("it has to be {expected}"),
        );
    }

    fn unknown_key(&mut self, path: Vec<String>) {
        let (name, parents) = path
            .split_last()
            .map_or(("", &[][..]), |(name, parents)| (name, parents));
        let known: Vec<&str> = match parents {
            [] => KEYS.iter().map(|key| key.0).collect(),
            _ => PERCENTAGE_KEYS.to_vec(),
        };
        let help = match nearest(name, known.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("remove it; the keys are `{}`", known.join("`, `")),
        };
        let message = format!("`{name}` is not a key of a mirror's configuration");
        let path = path.into_iter().fold(FieldPath::root(), FieldPath::key);
        self.error(Code::UnknownConfigKey, path, message, help);
    }
}

fn described(value: &Value) -> String {
    match value {
        Value::Object(_) => "a mapping".to_owned(),
        Value::Array(_) => "a sequence".to_owned(),
        other => other.to_string(),
    }
}

/// The keys that lead to an ignored one. There are no sequences in this configuration.
fn ignored_path(path: &serde_ignored::Path<'_>) -> Vec<String> {
    use serde_ignored::Path;
    match path {
        Path::Root => Vec::new(),
        Path::Seq { parent, .. }
        | Path::Some { parent }
        | Path::NewtypeStruct { parent }
        | Path::NewtypeVariant { parent } => ignored_path(parent),
        Path::Map { parent, key } => {
            let mut keys = ignored_path(parent);
            keys.push(key.clone());
            keys
        }
    }
}

fn error_path(path: &serde_path_to_error::Path) -> Vec<String> {
    path.iter()
        .filter_map(|segment| match segment {
            serde_path_to_error::Segment::Map { key } => Some(key.clone()),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Map, Value, json};

    use super::super::keys::{KEYS, PERCENTAGE_KEYS};
    use super::Reader;
    use crate::api::core::IntOrString;
    use crate::api::mirror_config::{MirrorConfig, Percentage};
    use crate::diag::Report;
    use crate::dialect::fixture::{found, nowhere};

    #[test]
    fn the_tables_of_keys_are_those_of_the_type() {
        let whole = serde_json::to_value(MirrorConfig {
            namespace: String::new(),
            service: String::new(),
            port: IntOrString::Int(1),
            subset: None,
            tls: None,
            percentage: Some(Percentage {
                value: Some(json!(1)),
            }),
            timeout: None,
            max_concurrent_requests: None,
            max_body_bytes: None,
            methods: None,
            matching: None,
            sticky: None,
            ramp: None,
            host: None,
            headers: None,
            credentials: None,
            path: None,
            tracing: None,
            budget: None,
            max_requests_per_second: None,
            quarantine: None,
            external: None,
        })
        .unwrap();
        let keys = |value: &Value| {
            value
                .as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect::<Vec<_>>()
        };
        assert_eq!(keys(&whole), KEYS.map(|key| key.0));
        assert_eq!(keys(&whole["percentage"]), PERCENTAGE_KEYS);
        let mut report = Report::default();
        let mut reader = Reader {
            origin: &nowhere(),
            if_invalid: "otherwise",
            report: &mut report,
            is_sound: true,
            wrong: BTreeSet::new(),
            apart: Map::new(),
        };
        assert!(reader.decode(&Value::Null).is_some());
        assert_eq!(
            found(&report),
            ["namespace", "service", "port"]
                .map(|key| format!("ConfigKeyMissing spec.config.{key}"))
        );
    }
}
