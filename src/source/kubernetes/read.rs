//! One object as the API server sends it → the object with the parts that are used. Pure.

use serde_json::Value;

use crate::api::annotation;
use crate::api::core::SERVICE_NAME;
use crate::api::meta::ObjectMeta;
use crate::diag::Diagnostic;
use crate::diag::ObjectRef;
use crate::diag::Origin;
use crate::name::Namespaced;
use crate::source::checked::Checked;
use crate::source::entry::Object;
use crate::source::header;
use crate::source::kind::Kind;

/// What an object of the API comes to.
#[derive(Debug)]
pub(super) struct Reading {
    /// Its name.
    pub(super) name: Namespaced,
    /// Which object of this name it is.
    pub(super) uid: Option<String>,
    /// What it says of itself where it is reported.
    pub(super) origin: Origin,
    /// The object, or why it is not taken: at least one diagnostic, each without its effect.
    pub(super) object: Result<Object, Vec<Diagnostic>>,
    /// What there is to say in either case.
    pub(super) warnings: Vec<Diagnostic>,
    /// By what text it stops mirrors, or does not, even if it is not taken.
    pub(super) stop: Option<String>,
}

/// Reads an object of a kind; `None` if it has no name that Kubernetes gives.
pub(super) fn read(kind: Kind, object: Value) -> Option<Reading> {
    let Value::Object(mut fields) = object else {
        return None;
    };
    let name = header::name_of(kind, &fields).ok()?;
    let uid = fields
        .get("metadata")
        .and_then(|metadata| metadata.get("uid")?.as_str())
        .map(str::to_owned);
    // The largest part of many objects, and nobody's business here.
    if let Some(Value::Object(metadata)) = fields.get_mut("metadata") {
        metadata.remove("managedFields");
    }
    let origin = Origin {
        object: Some(ObjectRef {
            kind: kind.name().to_owned(),
            name: name.clone(),
        }),
        document: None,
        within: Vec::new(),
    };
    let Checked {
        mut object,
        warnings,
        stop,
    } = Checked::of(kind, &name, &origin, fields);
    if let Ok(object) = &mut object {
        trim(object);
    }
    Some(Reading {
        name,
        uid,
        origin,
        object,
        warnings,
        stop,
    })
}

/// The name of an object of a kind, if it has one.
pub(super) fn name(kind: Kind, object: &Value) -> Option<Namespaced> {
    header::name_of(kind, object.as_object()?).ok()
}

/// Drops what nothing reads: there may be ten thousand of them, and a change of what nothing reads is none.
fn trim(object: &mut Object) {
    let metadata = object.metadata_mut();
    metadata
        .annotations
        .retain(|key, _| key.starts_with(annotation::PREFIX));
    match object {
        Object::Namespace(_) | Object::Pod(_) => undated(object.metadata_mut()),
        Object::Service(_) | Object::Workload(..) => {
            undated(object.metadata_mut());
            object.metadata_mut().labels.clear();
        }
        Object::EndpointSlice(slice) => {
            undated(&mut slice.metadata);
            slice.metadata.labels.retain(|key, _| key == SERVICE_NAME);
        }
        Object::Plugin(plugin) => {
            plugin.spec.pipyscript = None;
            plugin.metadata.labels.clear();
        }
        Object::MeshConfig(_) | Object::PluginChain(_) | Object::PluginConfig(_) => {
            object.metadata_mut().labels.clear();
        }
    }
}

/// The age and the generation count for the kinds that a user writes only.
fn undated(metadata: &mut ObjectMeta) {
    metadata.creation_timestamp = None;
    metadata.generation = None;
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use serde_json::json;

    use super::read;
    use crate::source::entry::Object;
    use crate::source::kind::Kind;

    fn metadata() -> Value {
        json!({
            "name": "a", "namespace": "n", "uid": "7", "resourceVersion": "9", "generation": 3,
            "creationTimestamp": "2020-01-01T00:00:00Z",
            "labels": {"app": "a", "kubernetes.io/service-name": "s"},
            "annotations": {"mirrorplane.io/listen": "127.0.0.1:1", "kubectl.kubernetes.io/last": "{}"},
            "managedFields": [{"manager": "kubectl"}],
        })
    }

    #[test]
    fn what_nothing_reads_is_dropped() {
        for (kind, rest, labels, dated) in [
            (Kind::Pod, json!({}), 2, false),
            (
                Kind::EndpointSlice,
                json!({"addressType": "IPv4", "endpoints": []}),
                1,
                false,
            ),
            (Kind::Service, json!({"spec": {}}), 0, false),
            (Kind::Plugin, json!({"spec": {"pipyscript": "()"}}), 0, true),
        ] {
            let mut object = rest;
            object["metadata"] = metadata();
            let reading = read(kind, object).unwrap();
            let mut object = reading.object.unwrap();
            let metadata = object.metadata_mut();
            assert_eq!(metadata.labels.len(), labels, "{kind:?}");
            assert_eq!(metadata.annotations.len(), 1, "{kind:?}");
            assert_eq!(metadata.generation.is_some(), dated, "{kind:?}");
            assert_eq!(metadata.creation_timestamp.is_some(), dated, "{kind:?}");
            if let Object::Plugin(plugin) = object {
                assert_eq!(plugin.spec.pipyscript, None);
            }
        }
    }

    #[test]
    fn an_object_that_cannot_be_taken_says_why_and_which_it_is() {
        let object =
            json!({"metadata": {"name": "a", "namespace": "n", "uid": "7"}, "spec": {"plugin": 1}});
        let reading = read(Kind::PluginConfig, object).unwrap();
        assert_eq!(
            (reading.name.to_string().as_str(), reading.uid.as_deref()),
            ("n/a", Some("7"))
        );
        let why: Vec<_> = reading.object.unwrap_err();
        assert_eq!(why.len(), 1);
        assert_eq!(
            (why[0].code.as_str(), why[0].path.to_string().as_str()),
            ("MP004", "spec.plugin")
        );
    }

    #[test]
    fn what_has_no_name_is_no_object() {
        for object in [json!([]), json!({}), json!({"metadata": {"name": "A/B"}})] {
            assert!(read(Kind::Pod, object).is_none());
        }
    }
}
