//! The text that objects are read from.

use std::fmt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::OnceLock;

use super::Place;
use super::Segment;
use super::outline::Outline;

/// One YAML or JSON document of a file. Positions are looked up in it only when something is reported.
pub struct Document {
    /// The file, as the user named it.
    pub file: PathBuf,
    /// The text of the document.
    pub text: Arc<str>,
    /// The line of the file that the text begins with, from 1. It always begins at the first column.
    pub line: usize,
    outline: OnceLock<Outline>,
}

impl Document {
    /// A document that begins at a line of a file.
    pub fn new(file: impl Into<PathBuf>, text: impl Into<Arc<str>>, line: usize) -> Self {
        Self {
            file: file.into(),
            text: text.into(),
            line,
            outline: OnceLock::new(),
        }
    }

    /// The documents of a file, without those of only white space and comments.
    ///
    /// `---` and `...` at the beginning of a line end a document wherever they stand, even within a quoted text (YAML
    /// 1.2.2, section 9.1), so that the text can be divided without being understood.
    pub fn split(file: &Path, text: &str) -> Vec<Self> {
        let mut documents = Vec::new();
        let mut current = Part { start: 0, line: 1 };
        // Comments and directives belong to the document that follows them.
        let mut bare = true;
        let mut offset = 0;
        let mut cut = |part: &Part, end: usize, bare: bool| {
            if let Some(text) = text.get(part.start..end).filter(|_| !bare) {
                documents.push(Self::new(file, text, part.line));
            }
        };
        for (index, line) in text.split_inclusive('\n').enumerate() {
            let next = offset + line.len();
            let visible = line.trim_start_matches('\u{feff}');
            if marks(visible, "---") {
                if !bare {
                    cut(&current, offset, bare);
                    current = Part {
                        start: offset,
                        line: index + 1,
                    };
                }
                bare = false;
            } else if marks(visible, "...") {
                cut(&current, next, bare);
                current = Part {
                    start: next,
                    line: index + 2,
                };
                bare = true;
            } else if !visible.trim().is_empty() && !visible.trim_start().starts_with(['#', '%']) {
                bare = false;
            }
            offset = next;
        }
        cut(&current, offset, bare);
        documents
    }

    /// The place in the file of a line and column of this document, both from 1.
    pub fn at(&self, line: usize, column: usize) -> Place {
        Place {
            file: self.file.clone(),
            line: (self.line + line).saturating_sub(1),
            column,
        }
    }

    /// The place of the innermost step of a path that exists: a key for a mapping, the start of the item for a
    /// sequence, the start of the document for the empty path.
    pub fn place<'a>(&self, path: impl IntoIterator<Item = &'a Segment>) -> Place {
        self.outline
            .get_or_init(|| Outline::of(&self.text))
            .find(path)
            .map_or_else(|| self.at(1, 1), |mark| self.at(mark.line, mark.column))
    }
}

/// Where a document begins.
struct Part {
    start: usize,
    line: usize,
}

fn marks(line: &str, marker: &str) -> bool {
    line.strip_prefix(marker)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

// The outline follows from the text, and whether it is there already says nothing.
impl PartialEq for Document {
    fn eq(&self, other: &Self) -> bool {
        self.file == other.file && self.line == other.line && self.text == other.text
    }
}

impl Eq for Document {}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Document({}:{})", self.file.display(), self.line)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::Document;
    use crate::diag::FieldPath;

    fn split(text: &str) -> Vec<(usize, String)> {
        Document::split(Path::new("f.yaml"), text)
            .into_iter()
            .map(|document| (document.line, document.text.to_string()))
            .collect()
    }

    #[test]
    fn a_file_is_divided_at_its_markers() {
        for (text, expected) in [
            ("", vec![]),
            ("# only\n\n# comments\n", vec![]),
            ("a: 1", vec![(1, "a: 1")]),
            ("a: 1\n---\nb: 2\n", vec![(1, "a: 1\n"), (2, "---\nb: 2\n")]),
            (
                "a: 1\r\n--- # c\r\nb: 2\r\n",
                vec![(1, "a: 1\r\n"), (2, "--- # c\r\nb: 2\r\n")],
            ),
            (
                "# about a\n---\na: 1\n",
                vec![(1, "# about a\n---\na: 1\n")],
            ),
            (
                "%YAML 1.2\n---\na: 1\n...\n\nb: 2\n",
                vec![(1, "%YAML 1.2\n---\na: 1\n...\n"), (5, "\nb: 2\n")],
            ),
            ("\u{feff}---\na: 1", vec![(1, "\u{feff}---\na: 1")]),
            ("a: |\n  ---\n----\n", vec![(1, "a: |\n  ---\n----\n")]),
        ] {
            let expected: Vec<_> = expected
                .into_iter()
                .map(|(line, text)| (line, text.to_owned()))
                .collect();
            assert_eq!(split(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_place_counts_lines_from_the_beginning_of_the_file() {
        let documents = Document::split(Path::new("f.yaml"), "a: 1\n---\n# c\nb:\n  ü: 2\n");
        let place = documents[1].place(FieldPath::of("b.ü").segments());
        assert_eq!(place.to_string(), "f.yaml:5:3");
        let place = Document::new("f.yaml", "", 1).place(FieldPath::of("b").segments());
        assert_eq!(place.to_string(), "f.yaml:1:1");
    }
}
