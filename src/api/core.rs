//! The used parts of `v1`, `apps/v1` and `discovery.k8s.io/v1`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::meta::ObjectMeta;

/// Label that the API server gives every [`Namespace`]: its name.
pub const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";
/// Label of an [`EndpointSlice`]: the name of its Service.
pub const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// A number or a name, as in `targetPort`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum IntOrString {
    /// A number.
    Int(i64),
    /// A name, or a number as text.
    String(String),
}

/// `v1 Namespace`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespace {
    /// Standard metadata; the labels are what selectors see.
    pub metadata: ObjectMeta,
}

/// `v1 Service`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Standard metadata.
    pub metadata: ObjectMeta,
    /// Ports and addresses.
    #[serde(default)]
    pub spec: ServiceSpec,
    /// What a load balancer has made of it.
    #[serde(default)]
    pub status: ServiceStatus,
}

/// `v1 ServiceSpec`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceSpec {
    /// Ports.
    pub ports: Vec<ServicePort>,
    /// Virtual address; `None` (the text) for headless Services.
    #[serde(rename = "clusterIP")]
    pub cluster_ip: Option<String>,
    /// All virtual addresses.
    #[serde(rename = "clusterIPs")]
    pub cluster_ips: Vec<String>,
    /// More addresses at which the nodes of the cluster accept it.
    #[serde(rename = "externalIPs")]
    pub external_ips: Vec<String>,
    /// `ClusterIP` if absent; `ExternalName` is a mere alias of a DNS name.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Labels of the Pods behind it.
    pub selector: BTreeMap<String, String>,
}

/// `v1 ServiceStatus`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceStatus {
    /// Its load balancer.
    pub load_balancer: LoadBalancerStatus,
}

/// `v1 LoadBalancerStatus`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LoadBalancerStatus {
    /// The points at which it takes connections.
    pub ingress: Vec<LoadBalancerIngress>,
}

/// `v1 LoadBalancerIngress`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LoadBalancerIngress {
    /// Its address, unless it has a name instead.
    pub ip: Option<String>,
}

/// `v1 ServicePort`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServicePort {
    /// Name; may be absent if the Service has one port.
    #[serde(default)]
    pub name: Option<String>,
    /// The Service's port.
    pub port: u16,
    /// The Pods' port; the same as `port` if absent.
    #[serde(default)]
    pub target_port: Option<IntOrString>,
    /// The port at which every node of the cluster accepts it, if its type has one.
    #[serde(default)]
    pub node_port: Option<u16>,
    /// `TCP` if absent.
    #[serde(default)]
    pub protocol: Option<String>,
    /// Application protocol.
    #[serde(default)]
    pub app_protocol: Option<String>,
}

/// `discovery.k8s.io/v1 EndpointSlice`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointSlice {
    /// Standard metadata; label `kubernetes.io/service-name` names the Service.
    pub metadata: ObjectMeta,
    /// `IPv4`, `IPv6` or `FQDN`.
    pub address_type: String,
    /// Endpoints.
    #[serde(default)]
    pub endpoints: Vec<Endpoint>,
    /// Ports that all endpoints of the slice have.
    #[serde(default)]
    pub ports: Vec<EndpointPort>,
}

/// One endpoint of an [`EndpointSlice`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// Addresses; consumers use the first.
    pub addresses: Vec<String>,
    /// State.
    #[serde(default)]
    pub conditions: EndpointConditions,
    /// Which Pod it is.
    #[serde(default)]
    pub target_ref: PodRef,
}

/// Which Pod an [`Endpoint`] is, if it says and is one: its name, in the namespace of the slice. There may be ten thousand of
/// them, so that nothing else of the reference is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "ObjectReference", into = "ObjectReference")]
pub struct PodRef(pub Option<Box<str>>);

/// The used part of `v1 ObjectReference`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct ObjectReference {
    kind: String,
    name: String,
}

const POD: &str = "Pod";

impl From<ObjectReference> for PodRef {
    fn from(ObjectReference { kind, name }: ObjectReference) -> Self {
        Self((kind == POD && !name.is_empty()).then(|| name.into()))
    }
}

impl From<PodRef> for ObjectReference {
    fn from(PodRef(name): PodRef) -> Self {
        name.map_or_else(Self::default, |name| Self {
            kind: POD.to_owned(),
            name: name.into(),
        })
    }
}

/// The state of an [`Endpoint`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EndpointConditions {
    /// Whether it takes requests; absent means yes.
    pub ready: Option<bool>,
}

/// One port of an [`EndpointSlice`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointPort {
    /// The Service port's name; absent or empty for an unnamed port.
    #[serde(default)]
    pub name: Option<String>,
    /// The Pods' port.
    #[serde(default)]
    pub port: Option<u16>,
}

/// `v1 Pod`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pod {
    /// Standard metadata.
    pub metadata: ObjectMeta,
}

/// `apps/v1` Deployment, StatefulSet or DaemonSet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workload {
    /// Standard metadata.
    pub metadata: ObjectMeta,
    /// Its Pods.
    pub spec: WorkloadSpec,
}

/// The used part of a [`Workload`]'s spec.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkloadSpec {
    /// What its Pods look like.
    pub template: PodTemplate,
}

/// `v1 PodTemplateSpec`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PodTemplate {
    /// Labels and annotations of the Pods.
    pub metadata: ObjectMeta,
}
