//! One object as the Kubernetes API is asked to keep it → what it would be for us.

use serde_json::Map;
use serde_json::Value;

use super::checked::Checked;
use super::entry::Entry;
use super::header;
use super::kind::Kind;
use super::kind::Recognised;
use super::objects::Objects;
use crate::diag::Diagnostic;
use crate::diag::ObjectRef;
use crate::diag::Origin;
use crate::diag::Report;

/// An object of one of the kinds that users write for us, and what there is to say about it alone.
#[derive(Debug)]
pub struct Single {
    /// Which one it is.
    pub object: ObjectRef,
    /// What there is to say. If there is an error, it is not taken.
    pub report: Report,
    entry: Option<Entry>,
}

impl Single {
    /// Adds it to a state of the world, in the place of what has its name. Tells whether it could be taken.
    pub fn put_into(&self, objects: &mut Objects) -> bool {
        if let Some(entry) = &self.entry {
            entry.insert_into(objects);
        }
        self.entry.is_some()
    }
}

/// Reads a Plugin, PluginChain, PluginConfig or MeshConfig; `None` if it is something else.
pub fn single(object: &Value) -> Option<Single> {
    let fields = object.as_object()?;
    let (api_version, kind) = header::type_of(fields).ok()?;
    let kind = match Kind::recognise(api_version, kind) {
        Recognised::Known(
            kind @ (Kind::Plugin | Kind::PluginChain | Kind::PluginConfig | Kind::MeshConfig),
        ) => kind,
        _ => return None,
    };
    let mut fields = fields.clone();
    name_generated(&mut fields);
    let mut origin = Origin {
        object: None,
        document: None,
        within: Vec::new(),
    };
    let name = match header::name_of(kind, &fields) {
        Ok(name) => name,
        Err(bad) => {
            let object = ObjectRef {
                kind: kind.name().to_owned(),
                name: Default::default(),
            };
            let wrong = bad.wrong;
            let said = Diagnostic::new(bad.code, &origin, wrong.path, wrong.message);
            let mut report = Report::default();
            report.push(said.help(wrong.help));
            return Some(Single {
                object,
                report,
                entry: None,
            });
        }
    };
    let object = ObjectRef {
        kind: kind.name().to_owned(),
        name: name.clone(),
    };
    origin.object = Some(object.clone());
    let names_namespace = header::names_namespace(kind, &fields);
    let checked = Checked::of(kind, &name, &origin, fields);
    let mut report = Report::default();
    report.extend(checked.warnings);
    let entry = match checked.object {
        Ok(object) => Some(Entry {
            kind,
            name,
            names_namespace,
            object,
            origin,
        }),
        Err(errors) => {
            report.extend(errors);
            None
        }
    };
    Some(Single {
        object,
        report,
        entry,
    })
}

/// Where the API server is to make up the name, it may not have done so yet.
fn name_generated(fields: &mut Map<String, Value>) {
    let Some(Value::Object(metadata)) = fields.get_mut("metadata") else {
        return;
    };
    let is_named = metadata
        .get("name")
        .and_then(Value::as_str)
        .is_some_and(|name| !name.is_empty());
    let stem = metadata.get("generateName").and_then(Value::as_str);
    if let (false, Some(stem)) = (is_named, stem.filter(|stem| !stem.is_empty())) {
        let name = format!("{stem}0");
        metadata.insert("name".to_owned(), Value::String(name));
    }
}
