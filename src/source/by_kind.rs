//! Objects of a kind that is known only when the program runs. Workloads are not among them: they have other keys, and no
//! source asks for them in this way.

use std::collections::BTreeSet;

use super::entry::Object;
use super::kind::Kind;
use super::objects::Objects;
use super::objects::Sourced;
use super::stop;
use crate::diag::Origin;
use crate::name::Namespaced;

/// Does something with the table of a kind, borrowed in a way.
macro_rules! with_table {
    ([$($borrow:tt)+] $objects:ident, $kind:expr, |$table:ident| $body:expr) => {
        match $kind {
            Kind::Namespace => { let $table = $($borrow)+ $objects.namespaces; $body }
            Kind::Service => { let $table = $($borrow)+ $objects.services; $body }
            Kind::EndpointSlice => { let $table = $($borrow)+ $objects.endpoint_slices; $body }
            Kind::Pod => { let $table = $($borrow)+ $objects.pods; $body }
            Kind::MeshConfig => { let $table = $($borrow)+ $objects.mesh_configs; $body }
            Kind::Plugin => { let $table = $($borrow)+ $objects.plugins; $body }
            Kind::PluginChain => { let $table = $($borrow)+ $objects.plugin_chains; $body }
            Kind::PluginConfig => { let $table = $($borrow)+ $objects.plugin_configs; $body }
            Kind::Workload(_) => Default::default(),
        }
    };
}

impl Objects {
    /// Adds an object, or puts it in the place of one that differs. Tells whether that changed anything.
    pub(super) fn put(&mut self, name: Namespaced, object: Object, origin: Origin) -> bool {
        match object {
            Object::Namespace(object) => self.namespaces.put(name, Sourced { object, origin }),
            Object::Service(object) => self.services.put(name, Sourced { object, origin }),
            Object::EndpointSlice(object) => {
                self.endpoint_slices.put(name, Sourced { object, origin })
            }
            Object::Pod(object) => self.pods.put(name, Sourced { object, origin }),
            Object::Workload(kind, object) => {
                (self.workloads).put((kind, name), Sourced { object, origin })
            }
            Object::MeshConfig(object) => self.mesh_configs.put(name, Sourced { object, origin }),
            Object::Plugin(object) => self.plugins.put(name, Sourced { object, origin }),
            Object::PluginChain(object) => self.plugin_chains.put(name, Sourced { object, origin }),
            Object::PluginConfig(object) => {
                self.plugin_configs.put(name, Sourced { object, origin })
            }
        }
    }

    /// Takes an object out, if it is there. Tells whether it was.
    pub(super) fn take(&mut self, kind: Kind, name: &Namespaced) -> bool {
        with_table!([&mut] self, kind, |table| table.take(name))
    }

    /// Takes out all objects of a kind but those of these names. Tells whether there was any.
    pub(super) fn keep(&mut self, kind: Kind, names: &BTreeSet<Namespaced>) -> bool {
        with_table!([&mut] self, kind, |table| table.keep(|name| names.contains(name)))
    }

    /// Which object of this name is there, if one is and it says so.
    pub(super) fn uid(&self, kind: Kind, name: &Namespaced) -> Option<Option<&str>> {
        with_table!([&] self, kind, |table| {
            let found = table.get(name)?;
            Some(found.object.metadata.uid.as_deref())
        })
    }

    /// Gives an object, if it is there, what a newer version that is not taken says of a stop. Tells whether that changed
    /// anything.
    pub(super) fn carry_over(
        &mut self,
        kind: Kind,
        name: &Namespaced,
        stop: Option<String>,
    ) -> bool {
        with_table!([&mut] self, kind, |table| {
            let Some(last) = table.get(name) else {
                return false;
            };
            let mut last = Sourced::clone(last);
            stop::carry_over(stop, &mut last.object.metadata) && table.put(name.clone(), last)
        })
    }

    /// Adds the objects of another state, but for names that are here already. Yields those, of whichever kind.
    pub(super) fn adopt(&mut self, other: &Self) -> Vec<Namespaced> {
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
        let workloads = workloads.adopt(&other.workloads);
        [
            namespaces.adopt(&other.namespaces),
            services.adopt(&other.services),
            endpoint_slices.adopt(&other.endpoint_slices),
            pods.adopt(&other.pods),
            workloads.into_iter().map(|(_, name)| name).collect(),
            mesh_configs.adopt(&other.mesh_configs),
            plugins.adopt(&other.plugins),
            plugin_chains.adopt(&other.plugin_chains),
            plugin_configs.adopt(&other.plugin_configs),
        ]
        .concat()
    }
}
