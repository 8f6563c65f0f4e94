//! The content of one file → its objects, and what is wrong with it. Pure: reads no file itself.

use std::path::Path;
use std::sync::Arc;

use serde_json::Map;
use serde_json::Value;

use super::checked::Checked;
use super::checked::NO_EFFECT;
use super::checked::STAYS;
use super::decode::WrongField;
use super::decode::wrong_type;
use super::entry::Entry;
use super::header;
use super::kind::Kind;
use super::kind::Recognised;
use super::stop;
use super::unknown_kind;
use super::yaml;
use crate::diag::Code;
use crate::diag::Diagnostic;
use crate::diag::Document;
use crate::diag::FieldPath;
use crate::diag::ObjectRef;
use crate::diag::Origin;
use crate::diag::Report;
use crate::diag::Segment;
use crate::name::Namespaced;

/// What a file yields.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Parsed {
    /// Its objects, in the order of the text.
    pub(super) entries: Vec<Entry>,
    /// What is wrong with it.
    pub(super) report: Report,
}

/// Reads the content of a file. `last` are the objects that it yielded before: all of them stay if the file is no longer
/// YAML, and each stays whose header can be read but whose content cannot.
pub(super) fn parse(file: &Path, content: &[u8], last: &[Entry]) -> Parsed {
    let broken = |report| Parsed {
        entries: last.to_vec(),
        report,
    };
    let text = match std::str::from_utf8(content) {
        Ok(text) => text,
        Err(error) => {
            let mut report = Report::default();
            report.push(not_utf8(file, content, error.valid_up_to(), last));
            return broken(report);
        }
    };
    let mut syntax = Report::default();
    let mut values = Vec::new();
    for document in Document::split(file, text) {
        match yaml::parse(&document.text) {
            Ok(value) => values.push((Arc::new(document), value)),
            Err(error) => syntax.push(syntax_error(&document, error, last)),
        }
    }
    if !syntax.is_empty() {
        return broken(syntax);
    }
    let mut reading = Reading {
        last,
        parsed: Parsed::default(),
        kept: Vec::new(),
    };
    for (document, value) in values {
        // An empty document, as a template leaves behind.
        if !value.is_null() {
            let origin = Origin {
                object: None,
                document: Some(document),
                within: Vec::new(),
            };
            reading.object(origin, value, None);
        }
    }
    reading.finish()
}

/// The header of the items of a typed list, such as `ServiceList`: the API server leaves it out.
struct Inherited {
    api_version: String,
    kind: String,
}

struct Reading<'a> {
    last: &'a [Entry],
    parsed: Parsed,
    /// The objects of `last` that stay.
    kept: Vec<Entry>,
}

impl<'a> Reading<'a> {
    fn object(&mut self, origin: Origin, value: Value, inherited: Option<&Inherited>) {
        let Value::Object(mut fields) = value else {
            let wrong = wrong_type(FieldPath::root(), "a mapping", Some(&value));
            return self.nameless(&origin, Code::NotAnObject, wrong);
        };
        for (key, inherit) in [
            ("apiVersion", inherited.map(|header| &header.api_version)),
            ("kind", inherited.map(|header| &header.kind)),
        ] {
            if let Some(inherit) = inherit {
                fields
                    .entry(key)
                    .or_insert_with(|| Value::String(inherit.clone()));
            }
        }
        let (api_version, kind) = match header::type_of(&fields) {
            Ok((api_version, kind)) => (api_version.to_owned(), kind.to_owned()),
            Err(bad) => return self.nameless(&origin, bad.code, bad.wrong),
        };
        match Kind::recognise(&api_version, &kind) {
            Recognised::Known(kind) => self.known(origin, kind, fields),
            Recognised::OtherVersion(kind, supported) => {
                self.other_version(origin, kind, fields, &api_version, supported);
            }
            Recognised::Foreign => self.list(origin, fields, &api_version, &kind),
        }
    }

    /// Reads the items of a list, if it is one. Other foreign objects are nobody's business, unless they look like ours.
    fn list(
        &mut self,
        origin: Origin,
        mut fields: Map<String, Value>,
        api_version: &str,
        kind: &str,
    ) {
        let inherited = match kind.strip_suffix("List") {
            Some("") if api_version == "v1" => None,
            Some(item) if Kind::recognise(api_version, item) != Recognised::Foreign => {
                Some(Inherited {
                    api_version: api_version.to_owned(),
                    kind: item.to_owned(),
                })
            }
            _ => {
                let doubt = unknown_kind::doubt(api_version, kind, &origin);
                self.parsed.report.extend(doubt);
                return;
            }
        };
        match fields.remove("items") {
            None | Some(Value::Null) => {}
            Some(Value::Array(items)) => {
                for (index, item) in items.into_iter().enumerate() {
                    let mut origin = origin.clone();
                    origin.within.push(Segment::Key("items".to_owned()));
                    origin.within.push(Segment::Index(index));
                    self.object(origin, item, inherited.as_ref());
                }
            }
            Some(other) => {
                let wrong = wrong_type(FieldPath::of("items"), "a list", Some(&other));
                self.nameless(&origin, Code::NotAnObject, wrong);
            }
        }
    }

    fn known(&mut self, mut origin: Origin, kind: Kind, fields: Map<String, Value>) {
        let Some(name) = self.name(&mut origin, kind, &fields) else {
            return;
        };
        let names_namespace = header::names_namespace(kind, &fields);
        let checked = Checked::of(kind, &name, &origin, fields);
        self.parsed.report.extend(checked.warnings);
        match checked.object {
            Ok(object) => self.parsed.entries.push(Entry {
                kind,
                name,
                names_namespace,
                object,
                origin,
            }),
            Err(errors) => {
                self.rejected(errors, kind, &name, checked.stop);
            }
        }
    }

    fn other_version(
        &mut self,
        mut origin: Origin,
        kind: Kind,
        mut fields: Map<String, Value>,
        api_version: &str,
        supported: &[&str],
    ) {
        let Some(name) = self.name(&mut origin, kind, &fields) else {
            return;
        };
        let message = format!("{} of `{api_version}` is not supported", kind.name());
        let group = api_version.rsplit_once('/').map(|(group, _)| group);
        let supported: Vec<_> = supported
            .iter()
            .map(|version| match group {
                Some(group) => format!("`{group}/{version}`"),
                None => format!("`{version}`"),
            })
            .collect();
        let path = FieldPath::of("apiVersion");
        let diagnostic = Diagnostic::new(Code::UnknownVersion, &origin, path, message)
            .help(format!("write it as {}", supported.join(" or ")));
        let stop = stop::take_as_text(&mut fields);
        self.rejected(vec![diagnostic], kind, &name, stop);
    }

    /// The name of an object, which is also noted in its origin.
    fn name(
        &mut self,
        origin: &mut Origin,
        kind: Kind,
        fields: &Map<String, Value>,
    ) -> Option<Namespaced> {
        match header::name_of(kind, fields) {
            Ok(name) => {
                origin.object = Some(ObjectRef {
                    kind: kind.name().to_owned(),
                    name: name.clone(),
                });
                Some(name)
            }
            Err(bad) => {
                self.nameless(origin, bad.code, bad.wrong);
                None
            }
        }
    }

    /// Reports what has no name by which an earlier version of it could be found.
    fn nameless(&mut self, origin: &Origin, code: Code, wrong: WrongField) {
        self.parsed.report.push(
            Diagnostic::new(code, origin, wrong.path, wrong.message)
                .effect(NO_EFFECT)
                .help(wrong.help),
        );
    }

    /// Reports an object that cannot be taken, and keeps the one that was there before, but for a stop.
    fn rejected(
        &mut self,
        errors: Vec<Diagnostic>,
        kind: Kind,
        name: &Namespaced,
        stop: Option<String>,
    ) {
        let mut entries = self.last.iter();
        let last = entries.find(|entry| entry.kind == kind && entry.name == *name);
        let effect = if last.is_some() { STAYS } else { NO_EFFECT };
        let errors = errors.into_iter().map(|error| error.effect(effect));
        self.parsed.report.extend(errors);
        if let Some(mut last) = last.cloned() {
            stop::carry_over(stop, last.object.metadata_mut());
            self.kept.push(last);
        }
    }

    fn finish(mut self) -> Parsed {
        for kept in self.kept {
            let replaced = (self.parsed.entries.iter())
                .any(|entry| entry.kind == kept.kind && entry.name == kept.name);
            if !replaced {
                self.parsed.entries.push(kept);
            }
        }
        self.parsed
    }
}

/// What follows from a file that cannot be read, given what it yielded before.
pub(super) fn effect_on_file(last: &[Entry]) -> &'static str {
    if last.is_empty() {
        "nothing in this file has any effect until it is fixed"
    } else {
        "the last valid version of the file stays in force"
    }
}

fn syntax_error(document: &Document, error: yaml::SyntaxError, last: &[Entry]) -> Diagnostic {
    let (line, tab) = (error.line, yaml::indenting_tab(&document.text, error.line));
    let column = tab.unwrap_or(error.column);
    at(document, line, column, error.message)
        .effect(effect_on_file(last))
        .help(tab.map_or("", |_| "use spaces to indent, not tabs"))
}

fn not_utf8(file: &Path, content: &[u8], valid: usize, last: &[Entry]) -> Diagnostic {
    let before = String::from_utf8_lossy(content.get(..valid).unwrap_or_default());
    let line = before.split('\n').count();
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count();
    let document = Document::new(file, "", 1);
    at(&document, line, column + 1, "not text in UTF-8".to_owned()).effect(effect_on_file(last))
}

fn at(document: &Document, line: usize, column: usize, message: String) -> Diagnostic {
    Diagnostic {
        code: Code::Syntax,
        message,
        effect: String::new(),
        help: String::new(),
        object: None,
        path: FieldPath::root(),
        place: Some(document.at(line, column)),
    }
}
