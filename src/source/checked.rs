//! The fields of an object whose kind and name are known → the object, or why it is not taken. The same for every source.

use serde_json::Map;
use serde_json::Value;

use super::entry::Object;
use super::kind::Kind;
use super::stop;
use super::unread;
use super::yaml;
use crate::diag::Code;
use crate::diag::Diagnostic;
use crate::diag::Origin;
use crate::diag::Severity;
use crate::name::Namespaced;

/// What the fields of an object come to.
#[derive(Debug)]
pub(super) struct Checked {
    /// The object, or why it is not taken: at least one diagnostic, each without its effect.
    pub(super) object: Result<Object, Vec<Diagnostic>>,
    /// What there is to say in either case.
    pub(super) warnings: Vec<Diagnostic>,
    /// By what text it stops mirrors, or does not: that holds even if the object is not taken.
    pub(super) stop: Option<String>,
}

impl Checked {
    /// Decodes an object of this kind and name.
    pub(super) fn of(
        kind: Kind,
        name: &Namespaced,
        origin: &Origin,
        mut fields: Map<String, Value>,
    ) -> Self {
        let stop = stop::take_as_text(&mut fields);
        let mut value = Value::Object(fields);
        let keep: &[&str] = match kind {
            Kind::PluginConfig => &["spec", "config"],
            _ => &[],
        };
        yaml::without_nulls(&mut value, keep);
        let (mut object, unknown) = match Object::decode(kind, &value) {
            Ok(decoded) => decoded,
            Err(wrong) => {
                let diagnostic =
                    Diagnostic::new(Code::WrongType, origin, wrong.path, wrong.message)
                        .help(wrong.help);
                return Self {
                    object: Err(vec![diagnostic]),
                    warnings: Vec::new(),
                    stop,
                };
            }
        };
        let metadata = object.metadata_mut();
        metadata.namespace = Some(name.namespace.clone()).filter(|text| !text.is_empty());
        let (errors, mut warnings): (Vec<_>, Vec<_>) = unread::fields(kind, origin, unknown)
            .into_iter()
            .partition(|unread| unread.severity() == Severity::Error);
        warnings.extend(unread::annotations(kind, origin, &value));
        Self {
            object: if errors.is_empty() {
                Ok(object)
            } else {
                Err(errors)
            },
            warnings,
            stop,
        }
    }
}

/// What follows from an object that is not taken, where an earlier version of it was.
pub(super) const STAYS: &str = "the last valid version stays in force";
/// What follows if none was.
pub(super) const NO_EFFECT: &str = "it has no effect until it is fixed";
