//! Whether a Pod gets a sidecar.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::obstacle::obstacle;
use crate::api::annotation;
use crate::api::mesh::IGNORE;
use crate::api::mesh::MONITORED_BY;
use crate::api::mesh::OF_THE_CLUSTER;
use crate::api::mesh::SIDECAR_INJECTION;
use crate::api::mesh::given;
use crate::model::Capture;

/// The namespace that a Pod is in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Home {
    /// Its name.
    pub name: String,
    /// Its labels and annotations; `None` if they are not known, and it is to be taken for one whose Pods get sidecars.
    pub metadata: Option<HomeMetadata>,
}

/// Labels and annotations of a namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HomeMetadata {
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
}

/// Why a Pod is left as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Its namespace belongs to the cluster or to the control plane.
    SystemNamespace,
    /// Its namespace has not joined the mesh.
    NotInMesh,
    /// A label says that the mesh is to leave it, or its namespace, alone.
    Ignored,
    /// It has a sidecar.
    Injected,
    /// An annotation says no.
    Declined,
    /// No annotation says yes.
    NotAsked,
    /// It uses the network of its node: redirecting its connections would redirect those of all.
    HostNetwork,
    /// It runs on Windows.
    Windows,
    /// Its annotation says that its application uses a sidecar as a proxy: that one it brings itself.
    Explicit,
    /// Its namespace enforces a Pod Security standard that forbids the redirection, and so would refuse the Pod.
    PodSecurity,
    /// It listens on a port that the sidecar needs.
    PortTaken,
    /// It has the sidecar of another mesh, and both would redirect the same connections.
    OtherMesh,
}

impl Reason {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 12] = [
        Self::SystemNamespace,
        Self::NotInMesh,
        Self::Ignored,
        Self::Injected,
        Self::Declined,
        Self::NotAsked,
        Self::HostNetwork,
        Self::Windows,
        Self::Explicit,
        Self::PodSecurity,
        Self::PortTaken,
        Self::OtherMesh,
    ];

    /// A word for it, as metrics label it.
    pub fn label(self) -> &'static str {
        match self {
            Self::SystemNamespace => "system_namespace",
            Self::NotInMesh => "not_in_mesh",
            Self::Ignored => "ignored",
            Self::Injected => "injected_already",
            Self::Declined => "declined",
            Self::NotAsked => "not_asked",
            Self::HostNetwork => "host_network",
            Self::Windows => "windows",
            Self::Explicit => "explicit",
            Self::PodSecurity => "pod_security",
            Self::PortTaken => "port_taken",
            Self::OtherMesh => "other_mesh",
        }
    }

    /// Whether the Pod could not have a sidecar if it asked for one.
    pub(super) fn is_inability(self) -> bool {
        matches!(
            self,
            Self::HostNetwork
                | Self::Windows
                | Self::Explicit
                | Self::PodSecurity
                | Self::PortTaken
                | Self::OtherMesh
        )
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SystemNamespace => "its namespace belongs to the cluster or to the control plane",
            Self::NotInMesh => "its namespace has not joined the mesh",
            Self::Ignored => "a label `ignore` is on it or on its namespace",
            Self::Injected => "it has a sidecar",
            Self::Declined => "the annotation `sidecar-injection` says no",
            Self::NotAsked => "no annotation `sidecar-injection` says yes",
            Self::HostNetwork => "it uses the network of its node",
            Self::Windows => "it runs on Windows",
            Self::Explicit => "the annotation `mirrorplane.io/listen` says that its application uses a sidecar of its own",
            Self::PodSecurity => "its namespace enforces a Pod Security standard that forbids the redirection",
            Self::PortTaken => "it listens on a port that the sidecar needs: 15000, 15001 or 15021",
            Self::OtherMesh => "it has the sidecar of another mesh",
        })
    }
}

/// What is decided for a Pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// It gets a sidecar.
    Inject,
    /// It does not, and whether the Pod itself asked for one.
    Leave(Reason, Asked),
}

/// Whether the Pod itself asks for a sidecar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Yes,
    No,
}

/// Annotations that have to say yes or no and say something else: of the namespace, and of the Pod.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Unclear {
    pub(super) namespace: Option<(String, String)>,
    pub(super) pod: Option<(String, String)>,
}

/// Labels and annotations of a Pod.
pub(super) struct PodMetadata<'a> {
    pub(super) labels: &'a BTreeMap<String, String>,
    pub(super) annotations: &'a BTreeMap<String, String>,
}

/// Decides.
pub(super) fn choose(
    pod: &PodMetadata<'_>,
    spec: &Value,
    home: &Home,
    mesh_name: &str,
    system_namespace: &str,
) -> Result<Choice, Unclear> {
    let asked = answer(pod.annotations);
    let asks = match &asked {
        Ok(Some(true)) => Asked::Yes,
        _ => Asked::No,
    };
    let leave = |reason| Ok(Choice::Leave(reason, asks));
    if OF_THE_CLUSTER.contains(&home.name.as_str()) || home.name == system_namespace {
        return leave(Reason::SystemNamespace);
    }
    let ignored = |labels| given(labels, IGNORE).is_some();
    let mut by_default = Ok(Some(true));
    if let Some(metadata) = &home.metadata {
        if given(&metadata.labels, MONITORED_BY).is_none_or(|(_, mesh)| mesh != mesh_name) {
            return leave(Reason::NotInMesh);
        }
        if ignored(&metadata.labels) {
            return leave(Reason::Ignored);
        }
        by_default = answer(&metadata.annotations);
    }
    if ignored(pod.labels) {
        return leave(Reason::Ignored);
    }
    let (of_pod, of_namespace) = match (asked, by_default) {
        (Ok(of_pod), Ok(of_namespace)) => (of_pod, of_namespace),
        (of_pod, of_namespace) => {
            return Err(Unclear {
                namespace: of_namespace.err(),
                pod: of_pod.err(),
            });
        }
    };
    match of_pod.or(of_namespace) {
        Some(true) => {}
        Some(false) => return leave(Reason::Declined),
        None => return leave(Reason::NotAsked),
    }
    let listens = pod.annotations.get(annotation::LISTEN);
    let is_explicit = listens.is_some_and(|at| matches!(at.parse(), Ok(Capture::Explicit(_))));
    let restricts = |home: &HomeMetadata| restricts(&home.labels);
    let found = if is_explicit {
        Some(Reason::Explicit)
    } else {
        let restricted = home.metadata.as_ref().is_some_and(restricts);
        obstacle(spec).or(restricted.then_some(Reason::PodSecurity))
    };
    Ok(match found {
        None => Choice::Inject,
        // Of these whole namespaces have many, and nobody expects that they get one.
        Some(reason @ (Reason::Injected | Reason::HostNetwork | Reason::Windows)) => {
            Choice::Leave(reason, asks)
        }
        Some(reason) => Choice::Leave(reason, Asked::Yes),
    })
}

/// Whether a namespace refuses Pods whose network is changed before they start (Pod Security admission, standards `baseline`
/// and `restricted`): an injected Pod would not be made at all.
fn restricts(labels: &BTreeMap<String, String>) -> bool {
    labels
        .get("pod-security.kubernetes.io/enforce")
        .is_some_and(|level| level != "privileged")
}

/// What an annotation says, if there is one; or its key and value, if it says neither yes nor no.
fn answer(annotations: &BTreeMap<String, String>) -> Result<Option<bool>, (String, String)> {
    let Some((key, value)) = given(annotations, SIDECAR_INJECTION) else {
        return Ok(None);
    };
    match value.to_ascii_lowercase().as_str() {
        "enabled" | "yes" | "true" => Ok(Some(true)),
        "disabled" | "no" | "false" => Ok(Some(false)),
        _ => Err((key.to_owned(), value.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::Choice;
    use super::Home;
    use super::HomeMetadata;
    use super::PodMetadata;
    use super::Reason;
    use super::choose;
    use crate::api::annotation;

    fn entries(given: &[(&str, &str)]) -> BTreeMap<String, String> {
        let given = given.iter();
        given
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn the_pod_has_the_last_word() {
        const JOINED: &[(&str, &str)] = &[("openservicemesh.io/monitored-by", "osm")];
        const OSM: &str = "openservicemesh.io/sidecar-injection";
        const OURS: &str = "mirrorplane.io/sidecar-injection";
        for (name, labels, of_namespace, of_pod, expected) in [
            ("a", JOINED, "enabled", None, Ok(None)),
            ("a", JOINED, "YES", None, Ok(None)),
            ("a", JOINED, "no", None, Ok(Some(Reason::Declined))),
            ("a", JOINED, "disabled", Some((OURS, "true")), Ok(None)),
            (
                "a",
                JOINED,
                "true",
                Some((OSM, "False")),
                Ok(Some(Reason::Declined)),
            ),
            ("a", JOINED, "", None, Ok(Some(Reason::NotAsked))),
            ("a", JOINED, "", Some((OSM, "enabled")), Ok(None)),
            ("a", JOINED, "on", None, Err("on")),
            ("a", JOINED, "on", Some((OSM, "no")), Err("on")),
            ("a", JOINED, "no", Some((OSM, "")), Err("")),
            (
                "a",
                &[("flomesh.io/monitored-by", "osm")],
                "yes",
                None,
                Ok(None),
            ),
            (
                "a",
                &[("flomesh.io/monitored-by", "other")],
                "yes",
                Some((OSM, "maybe")),
                Ok(Some(Reason::NotInMesh)),
            ),
            ("a", &[], "yes", None, Ok(Some(Reason::NotInMesh))),
            (
                "a",
                &[
                    ("mirrorplane.io/monitored-by", "osm"),
                    ("flomesh.io/ignore", ""),
                ],
                "yes",
                None,
                Ok(Some(Reason::Ignored)),
            ),
            (
                "a",
                JOINED,
                "yes",
                Some((annotation::LISTEN, "127.0.0.1:15001")),
                Ok(Some(Reason::Explicit)),
            ),
            (
                "a",
                &[
                    JOINED[0],
                    ("pod-security.kubernetes.io/enforce", "baseline"),
                ],
                "yes",
                None,
                Ok(Some(Reason::PodSecurity)),
            ),
            (
                "a",
                JOINED,
                "yes",
                Some((annotation::LISTEN, "transparent")),
                Ok(None),
            ),
            (
                "kube-system",
                JOINED,
                "yes",
                None,
                Ok(Some(Reason::SystemNamespace)),
            ),
            (
                "mesh",
                JOINED,
                "yes",
                None,
                Ok(Some(Reason::SystemNamespace)),
            ),
        ] {
            let mut annotations = BTreeMap::new();
            if !of_namespace.is_empty() {
                annotations.insert(OSM.to_owned(), of_namespace.to_owned());
            }
            let home = Home {
                name: name.to_owned(),
                metadata: Some(HomeMetadata {
                    labels: entries(labels),
                    annotations,
                }),
            };
            let pod = PodMetadata {
                labels: &BTreeMap::new(),
                annotations: &entries(of_pod.as_slice()),
            };
            let choice = choose(&pod, &json!({}), &home, "osm", "mesh");
            let got = match choice {
                Ok(Choice::Inject) => Ok(None),
                Ok(Choice::Leave(reason, _)) => Ok(Some(reason)),
                Err(unclear) => Err(unclear.namespace.or(unclear.pod).unwrap().1),
            };
            assert_eq!(
                got,
                expected.map_err(str::to_owned),
                "{name} {of_namespace} {of_pod:?}"
            );
        }
    }
}
