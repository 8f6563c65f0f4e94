//! What keeps a Pod from having a sidecar, whoever asks for it.

use serde_json::Value;

use super::choice::Reason;
use super::containers::INIT;
use super::containers::SIDECAR;
use super::start::ADMIN_PORT;
use crate::model::CAPTURE_PORT;
use crate::model::READY_PORT;

/// What redirects a Pod's connections to the sidecar of osm-edge, fsm, Istio or Linkerd.
const INITS_OF_OTHERS: [&str; 4] = ["osm-init", "fsm-init", "istio-init", "linkerd-init"];

/// Why a Pod cannot be given a sidecar, if so.
pub(super) fn obstacle(spec: &Value) -> Option<Reason> {
    let containers = || {
        let lists = ["initContainers", "containers"].iter();
        lists
            .filter_map(|list| spec.get(list)?.as_array())
            .flatten()
    };
    let names: Vec<&str> = containers()
        .filter_map(|container| container.get("name")?.as_str())
        .collect();
    let has = |one: &[&str]| names.iter().any(|name| one.contains(name));
    // The proxy binds them before the application does, which then fails; or the proxy does.
    let mut ports = containers()
        .filter_map(|container| container.get("ports")?.as_array())
        .flatten()
        .filter_map(|port| port.get("containerPort")?.as_u64());
    let node_system = spec.pointer("/nodeSelector/kubernetes.io~1os");
    let system = spec.pointer("/os/name").or(node_system);
    if spec.get("hostNetwork").and_then(Value::as_bool) == Some(true) {
        Some(Reason::HostNetwork)
    } else if has(&[SIDECAR, INIT]) {
        Some(Reason::Injected)
    } else if has(&INITS_OF_OTHERS) {
        Some(Reason::OtherMesh)
    } else if system.and_then(Value::as_str) == Some("windows") {
        Some(Reason::Windows)
    } else if ports.any(|port| {
        [ADMIN_PORT, CAPTURE_PORT, READY_PORT]
            .map(u64::from)
            .contains(&port)
    }) {
        Some(Reason::PortTaken)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Reason;
    use super::obstacle;

    #[test]
    fn some_pods_cannot_have_a_sidecar() {
        for (spec, expected) in [
            (json!({"hostNetwork": true}), Some(Reason::HostNetwork)),
            (json!({"hostNetwork": false}), None),
            (
                json!({"containers": [{"name": "a", "ports": [{"containerPort": 8080}]}]}),
                None,
            ),
            (
                json!({"containers": [{"name": "a", "ports": [{"containerPort": 15021}]}]}),
                Some(Reason::PortTaken),
            ),
            (
                json!({"initContainers": [{"name": "osm-init"}]}),
                Some(Reason::OtherMesh),
            ),
            (json!({"os": {"name": "windows"}}), Some(Reason::Windows)),
            (
                json!({"nodeSelector": {"kubernetes.io/os": "windows"}}),
                Some(Reason::Windows),
            ),
            (json!({"nodeSelector": {"kubernetes.io/os": "linux"}}), None),
            (
                json!({"initContainers": [{"name": "mirrorplane-sidecar"}]}),
                Some(Reason::Injected),
            ),
            (
                json!({"containers": [{"name": "a"}, {"name": "mirrorplane-sidecar"}]}),
                Some(Reason::Injected),
            ),
            (json!({"containers": "none", "initContainers": [7]}), None),
        ] {
            assert_eq!(obstacle(&spec), expected, "{spec}");
        }
    }
}
