//! The form of questions and answers: `AdmissionReview` of `admission.k8s.io/v1`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use json_patch::Patch;
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;

use crate::diag::Diagnostic;

/// A question.
#[derive(Debug, Deserialize)]
pub(super) struct Review {
    /// What is asked.
    pub(super) request: Request,
}

/// What is asked. Objects are kept as they came: a patch counts their fields.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Request {
    /// Goes into the answer.
    pub(super) uid: String,
    /// The kind of the object.
    pub(super) kind: GroupKind,
    /// `status`, for one; empty for the object itself.
    pub(super) sub_resource: Option<String>,
    /// The namespace; empty if the kind has none.
    pub(super) namespace: Option<String>,
    /// `CREATE`, `UPDATE`, `DELETE` or `CONNECT`.
    pub(super) operation: String,
    /// The object as it is to be; nothing for `DELETE`.
    pub(super) object: Value,
    /// The object as it is; nothing for `CREATE`.
    pub(super) old_object: Value,
}

/// A kind and its API group.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct GroupKind {
    /// The API group; empty for the core.
    pub(super) group: String,
    /// The kind.
    pub(super) kind: String,
}

/// An answer.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// Why not, line by line; yes if empty.
    pub(super) refused: Vec<String>,
    /// What is to be changed.
    pub(super) patch: Option<Patch>,
    /// What the user is told besides.
    pub(super) warnings: Vec<String>,
}

impl Answer {
    /// As the body of the response; `uid` is the one of the question.
    pub(super) fn to_json(&self, uid: &str) -> Value {
        let mut response = json!({ "uid": uid, "allowed": self.refused.is_empty() });
        if !self.refused.is_empty() {
            response["status"] = json!({
                "code": 422,
                "reason": "Invalid",
                "message": self.refused.join("\n"),
            });
        }
        if let Some(patch) = self.patch.as_ref().filter(|patch| !patch.0.is_empty()) {
            // A patch of ours is made of JSON values.
            let text = serde_json::to_string(patch).unwrap_or_default();
            response["patchType"] = json!("JSONPatch");
            response["patch"] = json!(STANDARD.encode(text));
        }
        if !self.warnings.is_empty() {
            response["warnings"] = json!(self.warnings);
        }
        json!({
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "response": response,
        })
    }
}

/// A diagnostic in one line, as `kubectl` shows it. `about` is said if it is another object than the one asked about.
pub(super) fn line(diagnostic: &Diagnostic, about_itself: bool) -> String {
    let mut line = diagnostic.code.to_string();
    if let (false, Some(object)) = (about_itself, &diagnostic.object) {
        line = format!("{line} {object}");
    }
    if !diagnostic.path.segments().is_empty() {
        line = format!("{line} {}", diagnostic.path);
    }
    line = format!("{line}: {}", diagnostic.message);
    for further in [&diagnostic.effect, &diagnostic.help] {
        if !further.is_empty() {
            line = format!("{line}; {further}");
        }
    }
    line
}
