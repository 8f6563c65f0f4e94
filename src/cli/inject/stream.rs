//! A stream of manifests → the same with sidecars. No I/O.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use crate::diag::Code;
use crate::diag::Diagnostic;
use crate::diag::Document;
use crate::diag::FieldPath;
use crate::diag::ObjectRef;
use crate::diag::Origin;
use crate::diag::Report;
use crate::diag::Segment;
use crate::name::Namespaced;
use crate::sidecar::inject::Home;
use crate::sidecar::inject::HomeMetadata;
use crate::sidecar::inject::Injection;
use crate::sidecar::inject::Outcome;
use crate::sidecar::inject::Settings;
use crate::sidecar::inject::Target;
use crate::sidecar::inject::inject;
use crate::source::documents;

/// Where the Pods of an object stand in it.
const KINDS: &[(&str, &str, &[&str])] = &[
    ("v1", "Pod", &[]),
    ("v1", "ReplicationController", &["spec", "template"]),
    ("apps/v1", "Deployment", &["spec", "template"]),
    ("apps/v1", "StatefulSet", &["spec", "template"]),
    ("apps/v1", "DaemonSet", &["spec", "template"]),
    ("apps/v1", "ReplicaSet", &["spec", "template"]),
    ("batch/v1", "Job", &["spec", "template"]),
    (
        "batch/v1",
        "CronJob",
        &["spec", "jobTemplate", "spec", "template"],
    ),
];

/// Manifests, in the order of the input.
#[derive(Debug, Default)]
pub(super) struct Stream {
    documents: Vec<(Arc<Document>, Value)>,
}

/// What `inject` yields.
#[derive(Debug, Default)]
pub(super) struct Injected {
    /// The manifests.
    pub(super) text: String,
    /// What is wrong.
    pub(super) report: Report,
    /// Whether something is so wrong that the text must not be used.
    pub(super) failed: bool,
    /// What became of each object that holds Pods.
    pub(super) notes: Vec<String>,
}

impl Stream {
    /// Adds the documents of a file.
    pub(super) fn add(&mut self, file: &Path, text: &str) -> Result<(), Box<Diagnostic>> {
        self.documents.extend(documents(file, text)?);
        Ok(())
    }

    /// Adds sidecars. What names no namespace is in `namespace`.
    pub(super) fn inject(self, namespace: &str, settings: &Settings) -> Injected {
        let homes = self.homes();
        let mut work = Work {
            homes,
            namespace,
            settings,
            injected: Injected::default(),
        };
        for (document, mut value) in self.documents {
            let before = value.clone();
            let origin = Origin {
                object: None,
                document: Some(Arc::clone(&document)),
                within: Vec::new(),
            };
            work.object(&mut value, origin.clone());
            // As it was, with its comments, but for its marks: those are written anew.
            let as_it_was = unmarked(&document.text).filter(|_| value == before);
            let text = match (as_it_was, serde_saphyr::to_string(&value)) {
                (Some(text), _) | (None, Ok(text)) => text,
                (None, Err(error)) => {
                    work.misshapen(&origin, &error.to_string());
                    continue;
                }
            };
            let out = &mut work.injected.text;
            if !out.is_empty() {
                out.push_str("---\n");
            }
            out.push_str(text.trim_end());
            out.push('\n');
        }
        work.injected
    }

    /// The Namespaces of the input.
    fn homes(&self) -> BTreeMap<String, HomeMetadata> {
        let mut homes = BTreeMap::new();
        let mut open: Vec<&Value> = self.documents.iter().map(|(_, value)| value).collect();
        while let Some(value) = open.pop() {
            let text = |key| value.get(key).and_then(Value::as_str).unwrap_or_default();
            if let Some(items) = value.get("items").and_then(Value::as_array) {
                open.extend(items);
            } else if (text("apiVersion"), text("kind")) == ("v1", "Namespace") {
                let metadata = |key| {
                    let fields = value.get("metadata")?.get(key)?.as_object()?.iter();
                    let texts =
                        fields.filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned())));
                    Some(texts.collect())
                };
                let name = value.pointer("/metadata/name").and_then(Value::as_str);
                let found = HomeMetadata {
                    labels: metadata("labels").unwrap_or_default(),
                    annotations: metadata("annotations").unwrap_or_default(),
                };
                homes.insert(name.unwrap_or_default().to_owned(), found);
            }
        }
        homes
    }
}

struct Work<'a> {
    homes: BTreeMap<String, HomeMetadata>,
    namespace: &'a str,
    settings: &'a Settings,
    injected: Injected,
}

impl Work<'_> {
    fn object(&mut self, value: &mut Value, mut origin: Origin) {
        let text = |key| value.get(key).and_then(Value::as_str).unwrap_or_default();
        let (version, kind) = (text("apiVersion").to_owned(), text("kind").to_owned());
        if kind.ends_with("List") {
            let items = value.get_mut("items").and_then(Value::as_array_mut);
            for (index, item) in items.into_iter().flatten().enumerate() {
                let mut origin = origin.clone();
                origin.within.push(Segment::Key("items".to_owned()));
                origin.within.push(Segment::Index(index));
                self.object(item, origin);
            }
            return;
        }
        let row = KINDS.iter().find(|row| (row.0, row.1) == (&version, &kind));
        let Some((_, _, at)) = row else {
            return;
        };
        let metadata = |key| {
            value
                .get("metadata")
                .and_then(|metadata| metadata.get(key)?.as_str())
        };
        let name = Namespaced::new(
            metadata("namespace").unwrap_or(self.namespace),
            metadata("name")
                .or(metadata("generateName"))
                .unwrap_or_default(),
        );
        let home = Home {
            metadata: self.homes.get(&name.namespace).cloned(),
            name: name.namespace.clone(),
        };
        let object = ObjectRef { kind, name };
        origin.object = Some(object.clone());
        let target = Target {
            object: value,
            at,
            origin: &origin,
        };
        match inject(&target, &home, self.settings) {
            Err(wrong) => {
                self.injected.failed = true;
                self.injected.report.extend(wrong);
            }
            Ok(Injection { outcome, warnings }) => {
                self.injected.report.extend(warnings);
                let note = match outcome {
                    Outcome::Left(reason) => format!("{object}: left as it is: {reason}"),
                    Outcome::Injected(patch) => match json_patch::patch(value, &patch) {
                        Ok(()) => format!("{object}: sidecar added"),
                        Err(error) => {
                            self.misshapen(&origin, &error.to_string());
                            return;
                        }
                    },
                };
                self.injected.notes.push(note);
            }
        }
    }

    /// A list stands where a mapping belongs, or the like.
    fn misshapen(&mut self, origin: &Origin, why: &str) {
        let message = format!("this is not an object to which a sidecar can be added: {why}");
        let diagnostic = Diagnostic::new(Code::WrongType, origin, FieldPath::root(), message);
        self.injected.failed = true;
        self.injected.report.push(diagnostic);
    }
}

/// A document without the marks that begin and end it; `None` if the marks say something.
fn unmarked(text: &str) -> Option<String> {
    let lines = text.lines().map(|line| line.trim_start_matches('\u{feff}'));
    let kept: Vec<_> = lines
        .filter(|line| !matches!(line.trim_end(), "---" | "..."))
        .collect();
    let speaks = |line: &&str| line.starts_with(['%']) || line.starts_with("--- ");
    (!kept.iter().any(speaks)).then(|| kept.join("\n"))
}
