//! A namespace as it is → the patch by which it joins or leaves. No I/O.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Namespace;
use serde_json::Value;
use serde_json::json;

use crate::api::mesh::IGNORE;
use crate::api::mesh::MONITORED_BY;
use crate::api::mesh::OF_THE_CLUSTER;
use crate::api::mesh::PREFIXES;
use crate::api::mesh::SIDECAR_INJECTION;
use crate::api::mesh::given;

/// What the label and the annotation begin with that `add` writes: those that the whole family reads.
const WRITTEN: &str = "openservicemesh.io/";

/// What becomes of a namespace.
#[derive(Debug, PartialEq)]
pub(super) enum Added {
    /// It is so already; what there is to say.
    Already(String),
    /// A merge patch, and what there is to say when it is done.
    By(Value, String),
}

/// It joins a mesh; or why it cannot.
pub(super) fn add(
    namespace: &Namespace,
    mesh: &str,
    system_namespace: &str,
    injection: &str,
) -> Result<Added, String> {
    let name = namespace.metadata.name.as_deref().unwrap_or_default();
    let nothing = BTreeMap::new();
    let labels = namespace.metadata.labels.as_ref().unwrap_or(&nothing);
    let annotations = namespace.metadata.annotations.as_ref().unwrap_or(&nothing);
    if name == system_namespace {
        return Err(format!(
            "`{name}` is the namespace of the control plane, which cannot join a mesh"
        ));
    }
    if OF_THE_CLUSTER.contains(&name) {
        return Err(format!(
            "`{name}` belongs to the cluster, and cannot join a mesh"
        ));
    }
    if let Some((key, _)) = given(labels, IGNORE) {
        return Err(format!("`{name}` has the label `{key}`; remove it first"));
    }
    if let Some((key, other)) = given(labels, MONITORED_BY) {
        if other != mesh {
            return Err(format!(
                "`{name}` belongs to the mesh `{other}`; remove it from there first ({key})"
            ));
        }
        if given(annotations, SIDECAR_INJECTION).is_some_and(|(_, said)| said == injection) {
            return Ok(Added::Already(format!(
                "warning: `{name}` has joined the mesh `{mesh}` already"
            )));
        }
    }
    // An annotation of another prefix could say otherwise.
    let mut answers = removed(annotations, SIDECAR_INJECTION);
    answers.insert(format!("{WRITTEN}{SIDECAR_INJECTION}"), json!(injection));
    let patch = json!({
        "metadata": {
            "labels": { format!("{WRITTEN}{MONITORED_BY}"): mesh },
            "annotations": answers,
        },
    });
    let sidecars = match injection {
        "enabled" => "new Pods get a sidecar",
        _ => "Pods get no sidecar unless they ask for one",
    };
    Ok(Added::By(
        patch,
        format!("`{name}` has joined the mesh `{mesh}`; {sidecars}"),
    ))
}

/// It leaves a mesh; or why it cannot.
pub(super) fn remove(namespace: &Namespace, mesh: &str) -> Result<Added, String> {
    let name = namespace.metadata.name.as_deref().unwrap_or_default();
    let nothing = BTreeMap::new();
    let labels = namespace.metadata.labels.as_ref().unwrap_or(&nothing);
    let annotations = namespace.metadata.annotations.as_ref().unwrap_or(&nothing);
    match given(labels, MONITORED_BY) {
        None => Ok(Added::Already(format!(
            "warning: `{name}` belongs to no mesh"
        ))),
        Some((_, other)) if other != mesh => Err(format!(
            "`{name}` belongs to the mesh `{other}`, not to `{mesh}`"
        )),
        Some(_) => {
            let patch = json!({
                "metadata": {
                    "labels": removed(labels, MONITORED_BY),
                    "annotations": removed(annotations, SIDECAR_INJECTION),
                },
            });
            let said = format!(
                "`{name}` has left the mesh `{mesh}`; Pods keep their sidecars until they are made anew"
            );
            Ok(Added::By(patch, said))
        }
    }
}

/// The keys of a name that are there, as a merge patch removes them.
fn removed(entries: &BTreeMap<String, String>, name: &str) -> serde_json::Map<String, Value> {
    let keys = PREFIXES.iter().map(|prefix| format!("{prefix}{name}"));
    keys.filter(|key| entries.contains_key(key))
        .map(|key| (key, Value::Null))
        .collect()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Namespace;
    use serde_json::Value;
    use serde_json::json;

    use super::Added;
    use super::add;
    use super::remove;

    fn namespace(name: &str, labels: Value, annotations: Value) -> Namespace {
        let metadata = json!({"name": name, "labels": labels, "annotations": annotations});
        serde_json::from_value(json!({ "metadata": metadata })).unwrap()
    }

    fn outcome(made: Result<Added, String>) -> String {
        match made {
            Ok(Added::By(patch, _)) => patch["metadata"].to_string(),
            Ok(Added::Already(said)) => said,
            Err(why) => format!("no: {why}"),
        }
    }

    #[test]
    fn joining_is_refused_where_it_would_hurt() {
        let osm = json!({"openservicemesh.io/monitored-by": "osm"});
        let yes = json!({"openservicemesh.io/sidecar-injection": "enabled"});
        let other = json!({"flomesh.io/sidecar-injection": "disabled"});
        for (name, labels, annotations, expected) in [
            (
                "a",
                json!({}),
                other,
                r#"{"labels":{"openservicemesh.io/monitored-by":"osm"},"annotations":{"flomesh.io/sidecar-injection":null,"openservicemesh.io/sidecar-injection":"enabled"}}"#,
            ),
            ("a", osm, yes, "warning: `a` has joined"),
            (
                "a",
                json!({"flomesh.io/monitored-by": "fsm"}),
                json!({}),
                "no: `a` belongs to the mesh `fsm`",
            ),
            (
                "a",
                json!({"openservicemesh.io/ignore": "true"}),
                json!({}),
                "no: `a` has the label",
            ),
            ("mesh", json!({}), json!({}), "no: `mesh` is the namespace"),
            (
                "kube-system",
                json!({}),
                json!({}),
                "no: `kube-system` belongs to the cluster",
            ),
        ] {
            let made = outcome(add(
                &namespace(name, labels, annotations),
                "osm",
                "mesh",
                "enabled",
            ));
            assert!(made.starts_with(expected), "{made}");
        }
    }

    #[test]
    fn leaving_takes_all_that_joining_has_written() {
        let labels = json!({"openservicemesh.io/monitored-by": "osm", "team": "a"});
        let annotations = json!({"openservicemesh.io/sidecar-injection": "enabled"});
        for (labels, mesh, expected) in [
            (
                &labels,
                "osm",
                r#"{"labels":{"openservicemesh.io/monitored-by":null},"annotations":{"openservicemesh.io/sidecar-injection":null}}"#,
            ),
            (&labels, "fsm", "no: `a` belongs to the mesh `osm`"),
            (&json!({}), "osm", "warning: `a` belongs to no mesh"),
        ] {
            let made = outcome(remove(
                &namespace("a", labels.clone(), annotations.clone()),
                mesh,
            ));
            assert!(made.starts_with(expected), "{made}");
        }
    }
}
