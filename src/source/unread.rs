//! What stands in an object that is read, and is not read itself.

use serde_json::Value;

use super::decode::UnknownField;
use super::kind::Kind;
use crate::api::annotation;
use crate::diag::Code;
use crate::diag::Diagnostic;
use crate::diag::FieldPath;
use crate::diag::Origin;
use crate::diag::Segment;
use crate::diag::nearest;

/// Where annotations of ours may stand: as a path, and as a JSON pointer.
const PLACES: [(&str, &str); 2] = [
    ("metadata.annotations", "/metadata/annotations"),
    (
        "spec.template.metadata.annotations",
        "/spec/template/metadata/annotations",
    ),
];

/// Tells the fields of `spec` that nothing reads. An error says that the object must not be taken without the field: a
/// selector that loses a requirement selects more.
pub(super) fn fields(kind: Kind, origin: &Origin, unknown: Vec<UnknownField>) -> Vec<Diagnostic> {
    if !kind.is_fully_known() {
        return Vec::new();
    }
    unknown
        .into_iter()
        .filter(|field| starts_with(&field.path, &["spec"]))
        .map(|UnknownField { path, nearest, .. }| {
            let meant = nearest.map(|nearest| format!("did you mean `{nearest}`?"));
            if kind == Kind::PluginChain && starts_with(&path, &["spec", "selectors"]) {
                let message =
                    format!("`{path}` is unknown; without it the chain would select more");
                let help = "remove it; there are `podSelector` and `namespaceSelector`, \
                            with `matchLabels` and `matchExpressions`";
                Diagnostic::new(Code::UnknownSelectorField, origin, path, message)
                    .help(meant.unwrap_or_else(|| help.to_owned()))
            } else {
                let message = format!("nothing reads the field `{path}`");
                Diagnostic::new(Code::UnknownField, origin, path, message)
                    .effect("it is ignored")
                    .help(meant.unwrap_or_default())
            }
        })
        .collect()
}

fn starts_with(path: &FieldPath, keys: &[&str]) -> bool {
    let segments = path.segments();
    segments.len() >= keys.len()
        && (segments.iter().zip(keys))
            .all(|(segment, key)| matches!(segment, Segment::Key(found) if found == key))
}

/// Tells the annotations with our prefix that nothing reads in objects of this kind.
pub(super) fn annotations(kind: Kind, origin: &Origin, object: &Value) -> Vec<Diagnostic> {
    let [(own, _), (template, _)] = PLACES;
    let mut told = Vec::new();
    for (path, pointer) in PLACES {
        let known: &[&str] = match kind {
            Kind::Plugin if path == own => &[annotation::PLUGIN],
            Kind::Namespace if path == own => &[annotation::SIDECAR_INJECTION, annotation::STOP],
            Kind::PluginConfig if path == own => &[annotation::STOP, annotation::RESUMED],
            Kind::MeshConfig if path == own => &[annotation::STOP],
            Kind::Pod if path == own => annotation::OF_PODS,
            // Pods get the annotations of the template only.
            Kind::Workload(_) if path == template => annotation::OF_PODS,
            Kind::Workload(_) => &[annotation::LISTEN],
            _ => &[],
        };
        let Some(Value::Object(given)) = object.pointer(pointer) else {
            continue;
        };
        let ours = given
            .keys()
            .filter(|key| key.starts_with(annotation::PREFIX) && !known.contains(&key.as_str()));
        for key in ours {
            let message = format!("nothing reads the annotation `{key}` of a {}", kind.name());
            let path = FieldPath::of(path).key(key);
            told.push(
                Diagnostic::new(Code::UnknownAnnotation, origin, path, message)
                    .effect("it is ignored")
                    .help(help(key, known)),
            );
        }
    }
    told
}

fn help(key: &str, known: &[&str]) -> String {
    match key {
        key if annotation::OF_PODS.contains(&key) => {
            return "put it on a Pod or a Pod template".to_owned();
        }
        annotation::PLUGIN => return "put it on a Plugin".to_owned(),
        annotation::STOP => {
            return "put it on a PluginConfig, a Namespace or a MeshConfig".to_owned();
        }
        _ => {}
    }
    // The prefix, which all have, would make all of them alike.
    let names = known.iter().copied().map(bare);
    match nearest(bare(key), names) {
        Some(meant) => format!("did you mean `{}{meant}`?", annotation::PREFIX),
        None if !known.is_empty() && known.len() < 4 => {
            format!(
                "remove it; on such an object there are `{}`",
                known.join("`, `")
            )
        }
        None => format!(
            "remove it; there are `{}` on Pods and Pod templates and `{}` on Plugins",
            annotation::LISTEN,
            annotation::PLUGIN
        ),
    }
}

fn bare(key: &str) -> &str {
    key.strip_prefix(annotation::PREFIX).unwrap_or(key)
}
