//! The state of the world as its users wrote it.

use std::collections::BTreeMap;

use crate::api::core::{EndpointSlice, Namespace, Pod, Service, Workload};
use crate::api::mesh_config::MeshConfig;
use crate::api::plugin::{Plugin, PluginChain, PluginConfig};
use crate::diag::Origin;
use crate::name::Namespaced;

/// An object, and where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Sourced<T> {
    /// The object.
    pub object: T,
    /// Where it comes from.
    pub origin: Origin,
}

/// The kinds of [`Workload`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WorkloadKind {
    /// `Deployment`.
    Deployment,
    /// `StatefulSet`.
    StatefulSet,
    /// `DaemonSet`.
    DaemonSet,
}

/// One consistent state of all objects. A key is the object's own namespace and name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Objects {
    /// Namespaces.
    pub namespaces: BTreeMap<Namespaced, Sourced<Namespace>>,
    /// Services.
    pub services: BTreeMap<Namespaced, Sourced<Service>>,
    /// EndpointSlices.
    pub endpoint_slices: BTreeMap<Namespaced, Sourced<EndpointSlice>>,
    /// Pods.
    pub pods: BTreeMap<Namespaced, Sourced<Pod>>,
    /// Deployments, StatefulSets and DaemonSets.
    pub workloads: BTreeMap<(WorkloadKind, Namespaced), Sourced<Workload>>,
    /// MeshConfigs.
    pub mesh_configs: BTreeMap<Namespaced, Sourced<MeshConfig>>,
    /// Plugins.
    pub plugins: BTreeMap<Namespaced, Sourced<Plugin>>,
    /// PluginChains.
    pub plugin_chains: BTreeMap<Namespaced, Sourced<PluginChain>>,
    /// PluginConfigs.
    pub plugin_configs: BTreeMap<Namespaced, Sourced<PluginConfig>>,
}

impl Objects {
    /// How many objects there are.
    pub fn len(&self) -> usize {
        let Self {
            namespaces,
            services,
            endpoint_slices,
            pods,
            workloads,
            mesh_configs,
            plugins,
            plugin_chains,
            plugin_configs,
        } = self;
        namespaces.len()
            + services.len()
            + endpoint_slices.len()
            + pods.len()
            + workloads.len()
            + mesh_configs.len()
            + plugins.len()
            + plugin_chains.len()
            + plugin_configs.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
