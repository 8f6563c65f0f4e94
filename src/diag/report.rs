//! One diagnostic, and the list of them that a stage yields.

use super::{Code, FieldPath, ObjectRef, Origin, Place, Severity};

/// Something the user has to know about their configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable code.
    pub code: Code,
    /// What is the matter, in one sentence without a period.
    pub message: String,
    /// What happens instead; may be empty where the message says it.
    pub effect: String,
    /// What to do; may be empty.
    pub help: String,
    /// The object it is about.
    pub object: Option<ObjectRef>,
    /// The field it is about.
    pub path: FieldPath,
    /// Where that field stands, for objects from files.
    pub place: Option<Place>,
}

impl Diagnostic {
    /// A diagnostic about the field `path` of the object at `origin`.
    pub fn new(code: Code, origin: &Origin, path: FieldPath, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            effect: String::new(),
            help: String::new(),
            object: origin.object.clone(),
            place: origin.place(&path),
            path,
        }
    }

    /// Adds what happens instead.
    #[must_use]
    pub fn effect(mut self, effect: impl Into<String>) -> Self {
        self.effect = effect.into();
        self
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }

    /// How bad it is; a property of the code.
    pub fn severity(&self) -> Severity {
        self.code.severity()
    }
}

/// What a stage has to say, in a stable order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report(Vec<Diagnostic>);

impl Report {
    /// Adds a diagnostic.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }

    /// Adds diagnostics.
    pub fn extend(&mut self, diagnostics: impl IntoIterator<Item = Diagnostic>) {
        self.0.extend(diagnostics);
    }

    /// Adds all of another report.
    pub fn merge(&mut self, other: Report) {
        self.0.extend(other.0);
    }

    /// The diagnostics, in the order they were added.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }

    /// How many diagnostics are of this severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.0
            .iter()
            .filter(|diagnostic| diagnostic.severity() == severity)
            .count()
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> IntoIterator for &'a Report {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
