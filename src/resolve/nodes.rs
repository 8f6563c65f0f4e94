//! The nodes: whoever may have a sidecar.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::api::annotation::LISTEN;
use crate::api::meta::ObjectMeta;
use crate::diag::{Code, Diagnostic, FieldPath, Origin, Report};
use crate::name::Namespaced;
use crate::source::Objects;

/// A Pod, or a workload that stands for its Pods.
pub(super) struct Node<'a> {
    /// Its labels, or those of its Pods.
    pub(super) labels: &'a BTreeMap<String, String>,
    /// Where its sidecar listens.
    pub(super) listen: SocketAddr,
}

/// All nodes, by name. A Pod comes before a workload of its name, a Deployment before the other kinds.
pub(super) fn read<'a>(
    objects: &'a Objects,
    default_listen: SocketAddr,
    report: &mut Report,
) -> BTreeMap<&'a Namespaced, Node<'a>> {
    let mut nodes = BTreeMap::new();
    for (name, pod) in &objects.pods {
        let metadata = &pod.object.metadata;
        let listen = annotated(metadata, "metadata.annotations", &pod.origin, report);
        let node = Node {
            labels: &metadata.labels,
            listen: listen.unwrap_or(default_listen),
        };
        nodes.insert(name, node);
    }
    for ((_, name), workload) in &objects.workloads {
        let (own, pods) = (
            &workload.object.metadata,
            &workload.object.spec.template.metadata,
        );
        let origin = &workload.origin;
        // What is said of the Pods counts more than what is said of the workload, even if it is wrong.
        let listen = if pods.annotations.contains_key(LISTEN) {
            annotated(pods, "spec.template.metadata.annotations", origin, report)
        } else {
            annotated(own, "metadata.annotations", origin, report)
        };
        nodes.entry(name).or_insert(Node {
            labels: &pods.labels,
            listen: listen.unwrap_or(default_listen),
        });
    }
    nodes
}

fn annotated(
    metadata: &ObjectMeta,
    annotations: &str,
    origin: &Origin,
    report: &mut Report,
) -> Option<SocketAddr> {
    let text = metadata.annotations.get(LISTEN)?;
    let address = text.trim().parse().ok();
    if address.is_none() {
        let path = FieldPath::of(annotations).key(LISTEN);
        let message = format!("`{text}` is not an address to listen on");
        report.push(
            Diagnostic::new(Code::BadListenAddress, origin, path, message)
                .effect("the sidecar listens on the default address")
                .help("write an IP address and a port, such as 127.0.0.1:15001 or [::1]:15001"),
        );
    }
    address
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use serde_json::json;

    use super::read;
    use crate::diag::Report;
    use crate::dialect::fixture::sourced;
    use crate::name::Namespaced;
    use crate::source::{Objects, WorkloadKind};

    fn metadata(label: &str, listen: Option<&str>) -> Value {
        let mut metadata = json!({"labels": {"from": label}});
        if let Some(listen) = listen {
            metadata["annotations"] = json!({"mirrorplane.io/listen": listen});
        }
        metadata
    }

    #[test]
    fn a_pod_precedes_a_deployment_and_that_precedes_a_daemon_set() {
        let name = Namespaced::new("n", "a");
        let workload = |label| {
            sourced(
                json!({"metadata": {}, "spec": {"template": {"metadata": metadata(label, None)}}}),
            )
        };
        let mut objects = Objects::default();
        let default = "127.0.0.1:15001".parse().unwrap();
        objects
            .workloads
            .insert((WorkloadKind::DaemonSet, name.clone()), workload("daemon"));
        for (step, expected) in ["daemon", "deployment", "pod"].into_iter().enumerate() {
            match step {
                0 => {}
                1 => drop(objects.workloads.insert(
                    (WorkloadKind::Deployment, name.clone()),
                    workload("deployment"),
                )),
                _ => drop(objects.pods.insert(
                    name.clone(),
                    sourced(json!({"metadata": metadata("pod", None)})),
                )),
            }
            let nodes = read(&objects, default, &mut Report::default());
            assert_eq!(nodes[&name].labels["from"], expected);
        }
    }

    #[test]
    fn the_template_says_where_to_listen_then_the_workload_then_the_default() {
        let name = Namespaced::new("n", "a");
        for (template, own, expected, path) in [
            (
                Some("127.0.0.1:1"),
                Some("127.0.0.1:2"),
                "127.0.0.1:1",
                None,
            ),
            (None, Some("[::1]:2"), "[::1]:2", None),
            (None, None, "127.0.0.1:15001", None),
            (
                Some("localhost:1"),
                Some("127.0.0.1:2"),
                "127.0.0.1:15001",
                Some("spec.template.metadata.annotations[\"mirrorplane.io/listen\"]"),
            ),
            (
                None,
                Some("15001"),
                "127.0.0.1:15001",
                Some("metadata.annotations[\"mirrorplane.io/listen\"]"),
            ),
        ] {
            let mut objects = Objects::default();
            let object = json!({
                "metadata": metadata("own", own),
                "spec": {"template": {"metadata": metadata("template", template)}},
            });
            objects
                .workloads
                .insert((WorkloadKind::Deployment, name.clone()), sourced(object));
            let mut report = Report::default();
            let nodes = read(&objects, "127.0.0.1:15001".parse().unwrap(), &mut report);
            assert_eq!(nodes[&name].listen, expected.parse().unwrap());
            assert_eq!(
                report.iter().next().map(|d| d.path.to_string()).as_deref(),
                path
            );
        }
    }
}
