//! The kinds that have a status.

use kube::core::ApiResource;

use crate::api::plugin;

/// A kind whose objects have a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    /// `Plugin`, cluster-scoped.
    Plugin,
    /// `PluginChain`.
    PluginChain,
    /// `PluginConfig`.
    PluginConfig,
}

impl Kind {
    /// All of them.
    pub(super) const ALL: [Self; 3] = [Self::Plugin, Self::PluginChain, Self::PluginConfig];

    /// The name, as in the manifest.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Plugin => "Plugin",
            Self::PluginChain => "PluginChain",
            Self::PluginConfig => "PluginConfig",
        }
    }

    /// The kind of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// Where the API server has it.
    pub(super) fn resource(self) -> ApiResource {
        ApiResource {
            group: plugin::GROUP.to_owned(),
            version: "v1alpha1".to_owned(),
            api_version: format!("{}/v1alpha1", plugin::GROUP),
            kind: self.as_str().to_owned(),
            plural: format!("{}s", self.as_str().to_lowercase()),
        }
    }
}
