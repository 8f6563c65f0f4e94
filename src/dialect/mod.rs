//! Foreign vocabulary in our own words: the plugin kinds of osm-edge and fsm.
//!
//! Each reader is given one object and says what it asks for, or what is wrong with it. It does not know which Services,
//! Pods or endpoints there are: that is for `resolve` to find out.

#[cfg(test)]
pub(crate) mod fixture;
mod mesh_config;
mod mirror_spec;
mod plugin;
mod plugin_chain;
mod plugin_config;
mod selector;
mod seniority;
mod stop;

pub use mesh_config::mesh_config_in_force;
pub use mirror_spec::{MirrorSpec, PortRef, TargetRef};
pub use plugin::{PluginRole, Plugins};
pub use plugin_chain::{ChainSelectors, MirrorChain};
pub use plugin_config::{MirrorRule, RuleDestination};
pub use selector::Selector;
pub(crate) use seniority::Seniority;
pub use stop::stopped_by;

/// What every diagnostic about a mirror that does not happen can promise.
pub(crate) const NOTHING_MIRRORED: &str =
    "nothing is mirrored by it; primary traffic is not affected";
