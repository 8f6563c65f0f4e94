//! The namespace of a Pod.

use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::Client;
use tokio::time::timeout;

use crate::sidecar::inject::Home;
use crate::sidecar::inject::HomeMetadata;

/// Less than what the API server waits for the webhook.
const PATIENCE: Duration = Duration::from_secs(3);

/// Where namespaces are looked up: in the cluster itself, each time. What is followed may be behind, and the first Pod of
/// a namespace often comes in the same second as its label.
#[derive(Clone)]
pub struct Homes(Client);

impl std::fmt::Debug for Homes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Homes")
    }
}

/// The namespace cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("the namespace `{name}` cannot be read: {reason}")]
    Api { name: String, reason: kube::Error },
    #[error("the namespace `{0}` could not be read in time")]
    Late(String),
}

impl Homes {
    /// Those of a cluster.
    pub fn new(client: Client) -> Self {
        Self(client)
    }

    /// A namespace by its name.
    pub(super) async fn get(&self, name: &str) -> Result<Home, Error> {
        let namespaces: Api<Namespace> = Api::all(self.0.clone());
        let found = timeout(PATIENCE, namespaces.get(name)).await;
        let found = found.map_err(|_| Error::Late(name.to_owned()))?;
        let found = found.map_err(|reason| Error::Api {
            name: name.to_owned(),
            reason,
        })?;
        Ok(Home {
            name: name.to_owned(),
            metadata: Some(HomeMetadata {
                labels: found.metadata.labels.unwrap_or_default(),
                annotations: found.metadata.annotations.unwrap_or_default(),
            }),
        })
    }
}
