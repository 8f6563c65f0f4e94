//! The documents of a text as they are, for who changes them and writes them again.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::yaml;
use crate::diag::Code;
use crate::diag::Diagnostic;
use crate::diag::Document;
use crate::diag::FieldPath;

/// The documents of a YAML or JSON text, in their order, without those that are empty.
///
/// # Errors
///
/// If one of them is not valid.
pub fn documents(file: &Path, text: &str) -> Result<Vec<(Arc<Document>, Value)>, Box<Diagnostic>> {
    let mut found = Vec::new();
    for document in Document::split(file, text) {
        match yaml::parse(&document.text) {
            Ok(Value::Null) => {}
            Ok(value) => found.push((Arc::new(document), value)),
            Err(error) => {
                return Err(Box::new(Diagnostic {
                    code: Code::Syntax,
                    message: error.message,
                    effect: String::new(),
                    help: String::new(),
                    object: None,
                    path: FieldPath::root(),
                    place: Some(document.at(error.line, error.column)),
                }));
            }
        }
    }
    Ok(found)
}
