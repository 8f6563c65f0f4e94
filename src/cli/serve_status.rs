//! Flags of `serve` that say whether objects of the cluster get a status, and who writes it.

use crate::source::Source;
use crate::status::Owner;
use crate::status::Settings;

/// Statuses of the objects in the cluster.
#[derive(Debug, clap::Args)]
pub(super) struct Status {
    /// Write no statuses to the objects of the cluster
    #[arg(long, env = "MIRRORPLANE_NO_STATUS")]
    no_status: bool,
}

impl Status {
    /// What it takes to write statuses, by replicas in this namespace; `None` if there are none to write.
    pub(super) fn settings(self, source: &Source, namespace: String) -> Option<Settings> {
        let Source::Kubernetes(client) = source else {
            return None;
        };
        (!self.no_status).then(|| Settings {
            client: client.clone(),
            owner: owner(&namespace),
            namespace,
            identity: identity(),
        })
    }
}

/// The name of the Pod; elsewhere something that no other process has.
fn identity() -> String {
    let host = named("HOSTNAME").unwrap_or_else(|| "mirrorplane".to_owned());
    named("POD_NAME").unwrap_or_else(|| format!("{host}-{:08x}", fastrand::u32(..)))
}

/// The Pod that this runs in, if it may own objects in this namespace.
fn owner(namespace: &str) -> Option<Owner> {
    let own = named("POD_NAMESPACE").filter(|own| own == namespace);
    own.and_then(|_| {
        Some(Owner {
            name: named("POD_NAME")?,
            uid: named("POD_UID")?,
        })
    })
}

fn named(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|name| !name.is_empty())
}
