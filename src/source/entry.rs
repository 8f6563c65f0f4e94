//! One decoded object of any kind.

use serde_json::Value;

use super::decode::UnknownField;
use super::decode::WrongField;
use super::decode::decode;
use super::kind::Kind;
use super::objects::Objects;
use super::objects::Sourced;
use super::objects::WorkloadKind;
use crate::api::core::EndpointSlice;
use crate::api::core::Namespace;
use crate::api::core::Pod;
use crate::api::core::Service;
use crate::api::core::Workload;
use crate::api::mesh_config::MeshConfig;
use crate::api::meta::ObjectMeta;
use crate::api::plugin::Plugin;
use crate::api::plugin::PluginChain;
use crate::api::plugin::PluginConfig;
use crate::diag::Origin;
use crate::name::Namespaced;

/// An object of a file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    pub(super) name: Namespaced,
    /// Whether the object itself says which namespace it is in, or is in none.
    pub(super) names_namespace: bool,
    pub(super) object: Object,
    pub(super) origin: Origin,
}

/// An object of one of the kinds that are read.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Object {
    Namespace(Namespace),
    Service(Service),
    EndpointSlice(EndpointSlice),
    Pod(Pod),
    Workload(WorkloadKind, Workload),
    MeshConfig(MeshConfig),
    Plugin(Plugin),
    PluginChain(PluginChain),
    PluginConfig(PluginConfig),
}

impl Object {
    /// Decodes an object of a kind. Also yields the fields that were not read.
    pub(super) fn decode(
        kind: Kind,
        value: &Value,
    ) -> Result<(Self, Vec<UnknownField>), WrongField> {
        Ok(match kind {
            Kind::Namespace => with(Self::Namespace, decode(value)?),
            Kind::Service => with(Self::Service, decode(value)?),
            Kind::EndpointSlice => with(Self::EndpointSlice, decode(value)?),
            Kind::Pod => with(Self::Pod, decode(value)?),
            Kind::Workload(kind) => with(|object| Self::Workload(kind, object), decode(value)?),
            Kind::MeshConfig => with(Self::MeshConfig, decode(value)?),
            Kind::Plugin => with(Self::Plugin, decode(value)?),
            Kind::PluginChain => with(Self::PluginChain, decode(value)?),
            Kind::PluginConfig => with(Self::PluginConfig, decode(value)?),
        })
    }

    /// What the object says about itself.
    pub(super) fn metadata_mut(&mut self) -> &mut ObjectMeta {
        match self {
            Self::Namespace(object) => &mut object.metadata,
            Self::Service(object) => &mut object.metadata,
            Self::EndpointSlice(object) => &mut object.metadata,
            Self::Pod(object) => &mut object.metadata,
            Self::Workload(_, object) => &mut object.metadata,
            Self::MeshConfig(object) => &mut object.metadata,
            Self::Plugin(object) => &mut object.metadata,
            Self::PluginChain(object) => &mut object.metadata,
            Self::PluginConfig(object) => &mut object.metadata,
        }
    }
}

fn with<T>(
    wrap: impl FnOnce(T) -> Object,
    (object, unknown): (T, Vec<UnknownField>),
) -> (Object, Vec<UnknownField>) {
    (wrap(object), unknown)
}

impl Entry {
    /// Adds the object to a state of the world that has none of its kind and name.
    pub(super) fn insert_into(&self, objects: &mut Objects) {
        let name = self.name.clone();
        let origin = self.origin.clone();
        match &self.object {
            Object::Namespace(object) => {
                objects.namespaces.insert(name, sourced(object, origin));
            }
            Object::Service(object) => {
                objects.services.insert(name, sourced(object, origin));
            }
            Object::EndpointSlice(object) => {
                objects
                    .endpoint_slices
                    .insert(name, sourced(object, origin));
            }
            Object::Pod(object) => {
                objects.pods.insert(name, sourced(object, origin));
            }
            Object::Workload(kind, object) => {
                objects
                    .workloads
                    .insert((*kind, name), sourced(object, origin));
            }
            Object::MeshConfig(object) => {
                objects.mesh_configs.insert(name, sourced(object, origin));
            }
            Object::Plugin(object) => {
                objects.plugins.insert(name, sourced(object, origin));
            }
            Object::PluginChain(object) => {
                objects.plugin_chains.insert(name, sourced(object, origin));
            }
            Object::PluginConfig(object) => {
                objects.plugin_configs.insert(name, sourced(object, origin));
            }
        }
    }
}

fn sourced<T: Clone>(object: &T, origin: Origin) -> Sourced<T> {
    Sourced {
        object: object.clone(),
        origin,
    }
}
