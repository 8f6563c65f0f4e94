//! Flags of `serve` that say whether objects of the cluster get a status, and who writes it.

use crate::source::Source;
use crate::status::Settings;

/// Statuses of the objects in the cluster.
#[derive(Debug, clap::Args)]
pub(super) struct Status {
    /// Write no statuses to the objects of the cluster
    #[arg(long, env = "MIRRORPLANE_NO_STATUS")]
    no_status: bool,
    /// Namespace of the Lease `mirrorplane-leader`: of several control planes, its holder writes statuses
    #[arg(
        long,
        env = "POD_NAMESPACE",
        value_name = "NAMESPACE",
        default_value = "mirrorplane-system"
    )]
    lease_namespace: String,
}

impl Status {
    /// What it takes to write statuses; `None` if there are none to write.
    pub(super) fn settings(self, source: &Source) -> Option<Settings> {
        let Source::Kubernetes(client) = source else {
            return None;
        };
        (!self.no_status).then(|| Settings {
            client: client.clone(),
            namespace: self.lease_namespace,
            identity: identity(),
        })
    }
}

/// The name of the Pod; elsewhere something that no other process has.
fn identity() -> String {
    let named = |variable| std::env::var(variable).ok().filter(|name| !name.is_empty());
    let host = named("HOSTNAME").unwrap_or_else(|| "mirrorplane".to_owned());
    named("POD_NAME").unwrap_or_else(|| format!("{host}-{:08x}", fastrand::u32(..)))
}
