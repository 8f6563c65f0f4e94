//! Objects to resolve, written as YAML, and the model in words that can be compared.

use mirrorplane::diag::ObjectRef;
use mirrorplane::diag::Origin;
use mirrorplane::diag::Report;
use mirrorplane::model::Model;
use mirrorplane::name::Namespaced;
use mirrorplane::resolve::Kept;
use mirrorplane::resolve::Resolved;
use mirrorplane::resolve::Settings;
use mirrorplane::resolve::resolve;
use mirrorplane::source::Objects;
use mirrorplane::source::Sourced;
use mirrorplane::source::WorkloadKind;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::json;

/// The guide's destination, served without a mirror.
pub(crate) const V1: &str = "pipy/pipy-ok-v1:8080";
/// The same with the guide's mirror.
pub(crate) const MIRRORED: &str =
    "pipy/pipy-ok-v1:8080 => pipy/pipy-ok-v2:8080 100% (curl/traffic-mirror-config)";

/// A state of the world, and what was kept from the last time it was resolved.
#[derive(Clone, Debug, Default)]
pub(crate) struct World {
    pub(crate) objects: Objects,
    kept: Kept,
}

impl World {
    /// The guide's world: `curl` calls `pipy-ok-v1`, and nothing is mirrored yet.
    pub(crate) fn demo() -> Self {
        let mut world = Self::default();
        world.apply(include_str!("demo.yaml"));
        world
    }

    /// The guide's world with its mirror, to `pipy-ok-v2`.
    pub(crate) fn mirrored() -> Self {
        let mut world = Self::demo();
        world.apply(include_str!("mirror.yaml"));
        world
    }

    /// Adds or replaces the objects of a YAML stream.
    pub(crate) fn apply(&mut self, yaml: &str) {
        for document in yaml.split("\n---\n") {
            self.add(serde_saphyr::from_str(document).unwrap());
        }
    }

    /// Adds or replaces an object.
    pub(crate) fn add(&mut self, mut object: Value) {
        if let Some(config) = object.pointer_mut("/spec/config") {
            leave_out_nulls(config);
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let kind = text(&object["kind"]);
        let metadata = &object["metadata"];
        let name = Namespaced::new(text(&metadata["namespace"]), text(&metadata["name"]));
        let objects = &mut self.objects;
        let workload = match kind.as_str() {
            "Deployment" => Some(WorkloadKind::Deployment),
            "StatefulSet" => Some(WorkloadKind::StatefulSet),
            "DaemonSet" => Some(WorkloadKind::DaemonSet),
            _ => None,
        };
        if let Some(workload) = workload {
            let key = (workload, name.clone());
            objects.workloads.insert(key, sourced(&kind, name, object));
            return;
        }
        macro_rules! insert {
            ($map:ident) => {
                drop(
                    objects
                        .$map
                        .insert(name.clone(), sourced(&kind, name, object)),
                )
            };
        }
        match kind.as_str() {
            "Namespace" => insert!(namespaces),
            "Service" => insert!(services),
            "EndpointSlice" => insert!(endpoint_slices),
            "Pod" => insert!(pods),
            "MeshConfig" => insert!(mesh_configs),
            "Plugin" => insert!(plugins),
            "PluginChain" => insert!(plugin_chains),
            "PluginConfig" => insert!(plugin_configs),
            other => panic!("no such kind: {other}"),
        }
    }

    /// Adds a Service of the namespace `pipy` with an endpoint behind each of its ports.
    pub(crate) fn add_service(&mut self, name: &str, ports: Value) {
        let numbers = ports.as_array().unwrap().iter();
        let behind: Vec<_> = numbers
            .map(|port| {
                let target = port["targetPort"].as_u64().or(port["port"].as_u64());
                json!({"name": port["name"], "port": target})
            })
            .collect();
        self.add(json!({
            "kind": "Service", "metadata": {"name": name, "namespace": "pipy"}, "spec": {"ports": ports},
        }));
        self.add(json!({
            "kind": "EndpointSlice",
            "metadata": {
                "name": format!("{name}-1"), "namespace": "pipy",
                "labels": {"kubernetes.io/service-name": name},
            },
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["10.9.0.1"]}],
            "ports": behind,
        }));
    }

    /// Adds a PluginConfig of the namespace `curl`.
    pub(crate) fn add_config(&mut self, name: &str, plugin: &str, from: &[&str], config: Value) {
        let refs = from
            .iter()
            .map(|name| json!({"kind": "Service", "namespace": "pipy", "name": name}));
        self.add(json!({
            "kind": "PluginConfig",
            "metadata": {"name": name, "namespace": "curl"},
            "spec": {"plugin": plugin, "destinationRefs": refs.collect::<Vec<_>>(), "config": config},
        }));
    }

    /// Resolves, and remembers what is to be kept.
    pub(crate) fn resolve(&mut self) -> Resolved {
        let resolved = resolve(&self.objects, &Settings::default(), &self.kept);
        self.kept = resolved.kept.clone();
        resolved
    }

    /// Resolves: what `curl/curl` is served, and what is said.
    pub(crate) fn outcome(&mut self) -> (Vec<String>, Vec<String>) {
        let resolved = self.resolve();
        (
            served(&resolved.model, "curl/curl"),
            codes(&resolved.report),
        )
    }
}

fn sourced<T: DeserializeOwned>(kind: &str, name: Namespaced, object: Value) -> Sourced<T> {
    Sourced {
        object: serde_json::from_value(object).unwrap(),
        origin: Origin {
            object: Some(ObjectRef {
                kind: kind.to_owned(),
                name,
            }),
            document: None,
            within: Vec::new(),
        },
    }
}

/// `spec.config` for a target in `pipy`.
pub(crate) fn to(service: &str, port: impl Into<Value>, share: f64) -> Value {
    let port: Value = port.into();
    json!({"namespace": "pipy", "service": service, "port": port, "percentage": {"value": share}})
}

/// What a node is served: `pipy/v1:80`, and for each mirror ` => pipy/v2:80 100% (curl/rule)`.
pub(crate) fn served(model: &Model, node: &str) -> Vec<String> {
    let id = model.group_of(&node.parse().unwrap());
    let destinations = &model.groups[id].destinations;
    let ports = destinations
        .iter()
        .flat_map(|destination| &destination.ports);
    ports
        .map(|port| {
            let mut line = format!("{}:{}", port.backend.service, port.backend.port);
            for mirror in &port.mirrors {
                let (to, rule) = (&mirror.target, &mirror.rule);
                line += &format!(" => {to} {} ({rule})", mirror.fraction);
            }
            line
        })
        .collect()
}

/// The codes of what is said, in its order.
pub(crate) fn codes(report: &Report) -> Vec<String> {
    report
        .iter()
        .map(|diagnostic| format!("{:?}", diagnostic.code))
        .collect()
}

/// A table of cases says by a null that a key is absent.
fn leave_out_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(leave_out_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(leave_out_nulls),
        _ => {}
    }
}
