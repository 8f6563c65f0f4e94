//! The nodes: whoever may have a sidecar.

use std::collections::{BTreeMap, HashSet};

use crate::api::annotation::LISTEN;
use crate::api::meta::ObjectMeta;
use crate::diag::{Code, Diagnostic, FieldPath, Origin, Report};
use crate::model::Capture;
use crate::name::Namespaced;
use crate::source::Objects;

/// A Pod, or a workload that stands for its Pods.
pub(super) struct Node<'a> {
    /// Its name.
    pub(super) name: &'a Namespaced,
    /// Its labels, or those of its Pods.
    pub(super) labels: &'a BTreeMap<String, String>,
    /// How its sidecar captures requests.
    pub(super) capture: Capture,
    /// Whether it was asked for this, now or when it last made sense.
    pub(super) asked: bool,
}

/// How sidecars capture requests that are not told so in a way that makes sense.
#[derive(Clone, Copy)]
pub(super) struct Captures<'a> {
    /// What the sidecar of each node was last told.
    pub(super) kept: &'a BTreeMap<Namespaced, Capture>,
    /// The rest.
    pub(super) default: Capture,
}

/// How many addresses the sidecars of a namespace may listen on, in all. Each is a configuration of its own, which is made
/// and kept whether a sidecar asks for it or not.
const ADDRESSES: usize = 16;

/// All nodes, sorted by name, none twice. A Pod comes before a workload of its name, a Deployment before the other kinds.
pub(super) fn read<'a>(
    objects: &'a Objects,
    captures: Captures<'_>,
    report: &mut Report,
) -> Vec<Node<'a>> {
    let mut nodes = Vec::with_capacity(objects.pods.len() + objects.workloads.len());
    let mut addresses = Addresses::default();
    for (name, pod) in &objects.pods {
        let metadata = &pod.object.metadata;
        let kept = || captures.kept.get(name).copied();
        let path = "metadata.annotations";
        let asked = annotated(metadata, path, &pod.origin, kept, report);
        let asked = addresses.admit(name, asked, path, &pod.origin, report);
        nodes.push(Node {
            name,
            labels: &metadata.labels,
            capture: asked.unwrap_or(captures.default),
            asked: asked.is_some(),
        });
    }
    for ((_, name), workload) in &objects.workloads {
        let (own, pods) = (
            &workload.object.metadata,
            &workload.object.spec.template.metadata,
        );
        let origin = &workload.origin;
        // What is said of the Pods counts more than what is said of the workload, even if it is wrong.
        let (metadata, path) = if pods.annotations.contains_key(LISTEN) {
            (pods, "spec.template.metadata.annotations")
        } else {
            (own, "metadata.annotations")
        };
        let kept = || captures.kept.get(name).copied();
        let asked = annotated(metadata, path, origin, kept, report);
        let asked = addresses.admit(name, asked, path, origin, report);
        nodes.push(Node {
            name,
            labels: &pods.labels,
            capture: asked.unwrap_or(captures.default),
            asked: asked.is_some(),
        });
    }
    // Stable: of one name, what came first stays first.
    nodes.sort_by_key(|node| node.name);
    nodes.dedup_by_key(|node| node.name);
    nodes
}

/// The names of all nodes, sorted, none twice.
pub(super) fn names(objects: &Objects) -> Vec<&Namespaced> {
    let workloads = objects.workloads.keys().map(|(_, name)| name);
    let mut names: Vec<_> = objects.pods.keys().chain(workloads).collect();
    names.sort();
    names.dedup();
    names
}

/// The addresses that sidecars of each namespace listen on.
#[derive(Default)]
struct Addresses<'a>(BTreeMap<&'a str, HashSet<Capture>>);

impl<'a> Addresses<'a> {
    /// What was asked for, unless it is an address more than the namespace may have.
    fn admit(
        &mut self,
        name: &'a Namespaced,
        asked: Option<Capture>,
        annotations: &str,
        origin: &Origin,
        report: &mut Report,
    ) -> Option<Capture> {
        let capture = asked?;
        let taken = self.0.entry(&name.namespace).or_default();
        if taken.len() < ADDRESSES || taken.contains(&capture) {
            taken.insert(capture);
            return asked;
        }
        let path = FieldPath::of(annotations).key(LISTEN);
        let message = format!("{capture} is one address more than the {ADDRESSES} of a namespace");
        report.push(
            Diagnostic::new(Code::BadListenAddress, origin, path, message)
                .effect("the sidecar does what is the default")
                .help("let the sidecars of a namespace listen on the same address"),
        );
        None
    }
}

/// What the annotation asks for: what was before, if it makes no sense.
fn annotated(
    metadata: &ObjectMeta,
    annotations: &str,
    origin: &Origin,
    kept: impl FnOnce() -> Option<Capture>,
    report: &mut Report,
) -> Option<Capture> {
    let text = metadata.annotations.get(LISTEN)?;
    if let Ok(capture) = text.trim().parse() {
        return Some(capture);
    }
    let kept = kept();
    let path = FieldPath::of(annotations).key(LISTEN);
    let message = format!("`{text}` is not an address to listen on");
    report.push(
        Diagnostic::new(Code::BadListenAddress, origin, path, message)
            .effect(match kept {
                Some(Capture::Explicit(kept)) => format!("the sidecar goes on to listen on {kept}"),
                Some(Capture::Transparent) => "its capture stays transparent".to_owned(),
                None => "the sidecar does what is the default".to_owned(),
            })
            .help("write an IP address and a port, such as 127.0.0.1:15001 or [::1]:15001, or `transparent`"),
    );
    kept
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use serde_json::json;

    use std::collections::BTreeMap;

    use super::{Captures, read};
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
            let captures = Captures {
                kept: &BTreeMap::new(),
                default,
            };
            let nodes = read(&objects, captures, &mut Report::default());
            assert_eq!(nodes.len(), 1);
            assert_eq!(nodes[0].labels["from"], expected);
        }
    }

    #[test]
    fn a_namespace_has_a_limited_number_of_addresses() {
        let mut objects = Objects::default();
        for number in 0..20 {
            let listen = format!("127.0.0.1:{}", 2000 + number);
            let pod = json!({"metadata": metadata("pod", Some(&listen))});
            let name = Namespaced::new("n", format!("a{number:02}"));
            objects.pods.insert(name, sourced(pod));
        }
        let pod = json!({"metadata": metadata("pod", Some("127.0.0.1:2019"))});
        objects
            .pods
            .insert(Namespaced::new("other", "a"), sourced(pod));
        let captures = Captures {
            kept: &BTreeMap::new(),
            default: "127.0.0.1:1".parse().unwrap(),
        };
        let mut report = Report::default();
        let nodes = read(&objects, captures, &mut report);
        let asked: Vec<bool> = nodes.iter().map(|node| node.asked).collect();
        assert_eq!(
            asked,
            [[true; 16].as_slice(), &[false; 4], &[true]].concat()
        );
        assert_eq!(report.iter().count(), 4);
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
            (Some("transparent"), None, "transparent", None),
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
            let default = "127.0.0.1:15001".parse().unwrap();
            let listen = |kept: &_, report: &mut _| {
                read(&objects, Captures { kept, default }, report)[0].capture
            };
            let address = listen(&BTreeMap::new(), &mut report);
            assert_eq!(address, expected.parse().unwrap());
            // What was asked for before stays while the annotation makes no sense, and only then.
            let before = "127.0.0.1:7".parse().unwrap();
            let kept = BTreeMap::from([(name.clone(), before)]);
            let is_kept = listen(&kept, &mut Report::default()) == before;
            assert_eq!(is_kept, path.is_some());
            assert_eq!(
                report.iter().next().map(|d| d.path.to_string()).as_deref(),
                path
            );
        }
    }
}
