//! Flags about the sidecars that are added to Pods: of `inject`, and of `serve`, whose webhook adds them.

use std::path::PathBuf;

use clap::ValueEnum;

use super::delivery;
use super::mesh_names::MeshNames;
use crate::sidecar::ControlPlane;
use crate::sidecar::IpFamilies;
use crate::sidecar::inject;
use crate::sidecar::inject::Quantity;
use crate::sidecar::inject::Resources;

/// Flags about the sidecars that are added to Pods.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Sidecars that are added to Pods")]
pub(super) struct SidecarSettings {
    #[command(flatten)]
    pub(super) mesh: MeshNames,
    /// Where sidecars find the control plane
    #[arg(
        long,
        env = "MIRRORPLANE_CONTROL_PLANE",
        value_name = "HOST:PORT",
        default_value = "mirrorplane.mirrorplane-system.svc:15128"
    )]
    control_plane: ControlPlane,
    /// CAs of the control plane's certificate, PEM; they become a part of the Pods. `serve --certificates secret` takes those
    /// of its Secret; `inject` has to be given them
    #[arg(long, env = "MIRRORPLANE_CA", value_name = "FILE")]
    pub(super) ca: Option<PathBuf>,
    /// Whom the tokens are for that sidecars show; the same as --token-review of `serve`
    #[arg(
        long,
        env = "MIRRORPLANE_TOKEN_REVIEW",
        value_name = "AUDIENCE",
        default_value = "mirrorplane"
    )]
    token_audience: String,
    /// Image of mirrorplane, which sets up the redirection
    #[arg(
        long,
        env = "MIRRORPLANE_IMAGE",
        value_name = "IMAGE",
        default_value = concat!("mirrorplane:", env!("CARGO_PKG_VERSION"))
    )]
    image: String,
    /// Image of Envoy; an ordinary sidecar needs one with the command `sleep`, which distroless ones lack
    /// [default: envoyproxy/envoy:distroless-v1.40.0, with --sidecar-placement ordinary envoyproxy/envoy:v1.40.0]
    #[arg(long, env = "MIRRORPLANE_PROXY_IMAGE", value_name = "IMAGE")]
    proxy_image: Option<String>,
    /// How the sidecar stands in a Pod
    #[arg(long, env = "MIRRORPLANE_SIDECAR_PLACEMENT", value_enum, default_value_t = Placement::Native)]
    sidecar_placement: Placement,
    /// Address families that are captured; those that the cluster's Pods have
    #[arg(long, env = "MIRRORPLANE_IP_FAMILIES", value_enum, default_value_t = IpFamilies::Ipv4)]
    ip_families: IpFamilies,
    /// The nodes have only the old iptables: the redirection uses it, and needs the capability NET_RAW too
    #[arg(long, env = "MIRRORPLANE_LEGACY_IPTABLES")]
    legacy_iptables: bool,
    /// Incremental xDS instead of state-of-the-world
    #[arg(long, env = "MIRRORPLANE_SIDECAR_DELTA")]
    sidecar_delta: bool,
    /// Worker threads of the sidecar
    #[arg(long, env = "MIRRORPLANE_SIDECAR_CONCURRENCY", value_name = "N", default_value_t = 2,
          value_parser = clap::value_parser!(u16).range(1..))]
    sidecar_concurrency: u16,
    /// What the sidecar logs
    #[arg(
        long,
        env = "MIRRORPLANE_SIDECAR_LOG",
        value_name = "LEVEL",
        default_value = "warning",
        value_parser = ["trace", "debug", "info", "warning", "error", "critical", "off"]
    )]
    sidecar_log: String,
    /// CPU that is set aside for the sidecar, unless the annotation mirrorplane.io/sidecar-cpu-request says otherwise
    #[arg(
        long,
        env = "MIRRORPLANE_SIDECAR_CPU_REQUEST",
        value_name = "CPU",
        default_value = "50m"
    )]
    sidecar_cpu_request: Quantity,
    /// Memory that is set aside for it (mirrorplane.io/sidecar-memory-request)
    #[arg(
        long,
        env = "MIRRORPLANE_SIDECAR_MEMORY_REQUEST",
        value_name = "BYTES",
        default_value = "64Mi"
    )]
    sidecar_memory_request: Quantity,
    /// CPU that it may use at most (mirrorplane.io/sidecar-cpu-limit) [default: no limit, which would slow requests down]
    #[arg(long, env = "MIRRORPLANE_SIDECAR_CPU_LIMIT", value_name = "CPU")]
    sidecar_cpu_limit: Option<Quantity>,
    /// Memory that it may use at most (mirrorplane.io/sidecar-memory-limit)
    #[arg(
        long,
        env = "MIRRORPLANE_SIDECAR_MEMORY_LIMIT",
        value_name = "BYTES",
        default_value = "512Mi"
    )]
    sidecar_memory_limit: Quantity,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Placement {
    /// An init container that goes on: starts before the application, ends after it; Kubernetes 1.29 or newer
    Native,
    /// A container beside the application; stays a while when the Pod stops, by the command `sleep` of its image
    Ordinary,
}

impl Placement {
    /// The image of Envoy, if nobody says: the smallest one that has what it takes.
    fn proxy_image(self) -> &'static str {
        match self {
            Self::Native => "envoyproxy/envoy:distroless-v1.40.0",
            Self::Ordinary => "envoyproxy/envoy:v1.40.0",
        }
    }
}

impl SidecarSettings {
    /// As settings; `ca` are the CAs of the control plane's certificate, PEM.
    pub(super) fn settings(&self, ca: Option<String>) -> inject::Settings {
        inject::Settings {
            mesh_name: self.mesh.mesh_name.clone(),
            system_namespace: self.mesh.system_namespace.clone(),
            image: self.image.clone(),
            proxy_image: match &self.proxy_image {
                Some(image) => image.clone(),
                None => self.sidecar_placement.proxy_image().to_owned(),
            },
            control_plane: self.control_plane.clone(),
            ca,
            token_audience: self.token_audience.clone(),
            placement: match self.sidecar_placement {
                Placement::Native => inject::Placement::Native,
                Placement::Ordinary => inject::Placement::Ordinary,
            },
            ip_families: self.ip_families,
            legacy_iptables: self.legacy_iptables,
            delivery: delivery(self.sidecar_delta),
            concurrency: self.sidecar_concurrency,
            log_level: self.sidecar_log.clone(),
            resources: Resources {
                cpu_request: Some(self.sidecar_cpu_request.clone()),
                memory_request: Some(self.sidecar_memory_request.clone()),
                cpu_limit: self.sidecar_cpu_limit.clone(),
                memory_limit: Some(self.sidecar_memory_limit.clone()),
            },
        }
    }
}
