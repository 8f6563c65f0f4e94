//! The state of the world as its users wrote it.

use super::table::Table;
use crate::api::core::{EndpointSlice, Namespace, Pod, Service, Workload};
use crate::api::mesh_config::MeshConfig;
use crate::api::plugin::{Plugin, PluginChain, PluginConfig};
use crate::diag::Origin;
use crate::diag::Report;
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
    pub namespaces: Table<Namespace>,
    /// Services.
    pub services: Table<Service>,
    /// EndpointSlices.
    pub endpoint_slices: Table<EndpointSlice>,
    /// Pods.
    pub pods: Table<Pod>,
    /// Deployments, StatefulSets and DaemonSets.
    pub workloads: Table<Workload, (WorkloadKind, Namespaced)>,
    /// MeshConfigs.
    pub mesh_configs: Table<MeshConfig>,
    /// Plugins.
    pub plugins: Table<Plugin>,
    /// PluginChains.
    pub plugin_chains: Table<PluginChain>,
    /// PluginConfigs.
    pub plugin_configs: Table<PluginConfig>,
}

/// What a source publishes: the objects, and what is wrong with what it read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// The objects.
    pub objects: Objects,
    /// What is wrong.
    pub report: Report,
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
