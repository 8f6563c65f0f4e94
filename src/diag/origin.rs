//! Where an object comes from.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::Document;
use super::FieldPath;
use super::Segment;
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
    /// reported at the key of the mapping that should hold it. A step into a mapping stands at its key, a step into a
    /// sequence at the start of the item. `None` for objects that do not come from a file.
    pub fn place(&self, path: &FieldPath) -> Option<Place> {
        let document = self.document.as_ref()?;
        Some(document.place(self.within.iter().chain(path.segments())))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Origin;
    use crate::diag::Document;
    use crate::diag::FieldPath;
    use crate::diag::Segment;

    #[test]
    fn a_field_of_a_list_item_is_found_within_the_item() {
        let text = "kind: List\nitems:\n- kind: Service\n  spec:\n    port: 1\n- kind: Pod\n";
        let origin = |index| Origin {
            object: None,
            document: Some(Arc::new(Document::new("f.yaml", text, 1))),
            within: vec![Segment::Key("items".to_owned()), Segment::Index(index)],
        };
        for (index, path, expected) in [
            (0, FieldPath::of("spec.port"), "f.yaml:5:5"),
            (0, FieldPath::of("spec.name"), "f.yaml:4:3"),
            (1, FieldPath::of("spec"), "f.yaml:6:3"),
            (1, FieldPath::root(), "f.yaml:6:3"),
        ] {
            let place = origin(index).place(&path).unwrap();
            assert_eq!(place.to_string(), expected, "{path}");
        }
    }

    #[test]
    fn an_object_that_comes_from_no_file_has_no_place() {
        let origin = Origin {
            object: None,
            document: None,
            within: Vec::new(),
        };
        assert_eq!(origin.place(&FieldPath::root()), None);
    }
}
