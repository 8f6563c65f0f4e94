//! Where the Kubernetes API is, and what it is shown.

use std::path::PathBuf;
use std::time::Duration;

use kube::Client;
use kube::Config;
use kube::config::KubeConfigOptions;
use kube::config::Kubeconfig;

/// An API server that is there accepts a connection much sooner.
const CONNECT: Duration = Duration::from_secs(5);

/// What the user says about the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// The kubeconfig. If absent, as for `kubectl`: what `KUBECONFIG` names, `~/.kube/config`, or else the service account
    /// of the Pod that this runs in.
    pub kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig; if absent, its current one.
    pub context: Option<String>,
}

/// There is no way to the cluster.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A kubeconfig that cannot be used.
    #[error("the kubeconfig cannot be used")]
    Kubeconfig(#[from] kube::config::KubeconfigError),
    /// Neither a kubeconfig nor a service account.
    #[error("there is no kubeconfig, and this is not a Pod with a service account")]
    Nowhere(#[from] kube::config::InferConfigError),
    /// What the kubeconfig names cannot be used.
    #[error("the credentials cannot be used")]
    Credentials(#[from] kube::Error),
}

/// A client of the cluster. Nothing is sent yet: a server that does not answer is no error here.
///
/// # Errors
///
/// If it is not known where the cluster is, or what it is to be shown cannot be read.
pub async fn connect(access: &Access) -> Result<Client, Error> {
    let options = KubeConfigOptions {
        context: access.context.clone(),
        ..KubeConfigOptions::default()
    };
    let mut config = match (&access.kubeconfig, &access.context) {
        (Some(path), _) => {
            Config::from_custom_kubeconfig(Kubeconfig::read_from(path)?, &options).await?
        }
        (None, Some(_)) => Config::from_kubeconfig(&options).await?,
        (None, None) => Config::infer().await?,
    };
    config.connect_timeout = Some(CONNECT);
    // The feeds try again by themselves, and say so.
    config.default_retry = false;
    Ok(Client::try_from(config)?)
}
