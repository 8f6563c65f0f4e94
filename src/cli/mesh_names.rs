//! Flags that name the mesh and the namespace of its control plane.

/// What the mesh is called, and where its control plane is.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct MeshNames {
    /// The mesh that namespaces join, by their label `openservicemesh.io/monitored-by`
    #[arg(
        long,
        env = "MIRRORPLANE_MESH_NAME",
        value_name = "NAME",
        default_value = "osm"
    )]
    pub(super) mesh_name: String,
    /// The namespace of the control plane: it cannot join, its Pods get no sidecar, and `serve` keeps there what replicas
    /// share, the Lease `mirrorplane-leader` and the Secret of its certificates
    #[arg(
        long,
        env = "MIRRORPLANE_NAMESPACE",
        value_name = "NAMESPACE",
        default_value = "mirrorplane-system"
    )]
    pub(super) system_namespace: String,
}
