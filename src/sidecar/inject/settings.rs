//! What the operator decides about injected sidecars.

use crate::sidecar::ControlPlane;
use crate::sidecar::Delivery;
use crate::sidecar::IpFamilies;

use super::resources::Resources;

/// What is added to Pods, and to which.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The mesh that namespaces join by label.
    pub mesh_name: String,
    /// The namespace of the control plane, whose Pods get no sidecar.
    pub system_namespace: String,
    /// The image that holds `mirrorplane`; it sets up the redirection.
    pub image: String,
    /// The image that holds `envoy`.
    pub proxy_image: String,
    /// Where the control plane listens, as seen from a Pod.
    pub control_plane: ControlPlane,
    /// The CAs of the control plane's certificate, PEM. Without them sidecars connect in plain text, and send no token.
    pub ca: Option<String>,
    /// Whom the tokens are for that sidecars show: the audience that the control plane asks about.
    pub token_audience: String,
    /// How the sidecar stands in the Pod.
    pub placement: Placement,
    /// Which connections are captured.
    pub ip_families: IpFamilies,
    /// Whether the nodes have only the old iptables, which need one capability more.
    pub legacy_iptables: bool,
    /// How configuration is sent.
    pub delivery: Delivery,
    /// Worker threads of the proxy.
    pub concurrency: u16,
    /// What the proxy logs: `warning`, `info`, `debug`.
    pub log_level: String,
    /// What the proxy may use, unless an annotation says otherwise.
    pub resources: Resources,
}

/// How the sidecar stands in the Pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Placement {
    /// As an init container that goes on: it starts before the application and ends after it. Kubernetes 1.29 or newer.
    #[default]
    Native,
    /// As a container beside the application.
    Ordinary,
}
