//! Where the objects come from.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;

use super::kubernetes;
use super::kubernetes::Standing;
use super::objects::State;
use super::watch as folder;

/// Where the objects come from.
#[derive(Clone)]
pub enum Source {
    /// A folder of files, or a single file.
    Folder(PathBuf),
    /// The Kubernetes API.
    Kubernetes(kube::Client),
}

// The client says nothing about itself.
impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder(path) => f.debug_tuple("Folder").field(path).finish(),
            Self::Kubernetes(_) => f.write_str("Kubernetes"),
        }
    }
}

impl Source {
    /// Publishes what the source holds, and does so again after every change, until nobody listens any more. Cancel it
    /// by dropping.
    ///
    /// # Errors
    ///
    /// If a folder cannot be listed at the start. A cluster that does not answer is asked again, for ever.
    pub async fn follow(
        self,
        standing: &Standing,
        sender: watch::Sender<Option<Arc<State>>>,
    ) -> io::Result<()> {
        match self {
            Self::Folder(path) => folder::run(path, sender).await,
            Self::Kubernetes(client) => {
                kubernetes::run(client, standing, sender).await;
                Ok(())
            }
        }
    }
}
