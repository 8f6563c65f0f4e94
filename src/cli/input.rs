//! Where objects are read from: a folder, or else the cluster.

use std::fmt;
use std::fs;
use std::path::PathBuf;

use anyhow::Context;

use crate::source;
use crate::source::Source;
use crate::source::State;
use crate::source::kubernetes;
use crate::source::kubernetes::Access;

/// Which cluster.
#[derive(Clone, Debug, clap::Args)]
#[group(id = "cluster", multiple = true)]
pub(super) struct Cluster {
    /// How to reach the cluster [default: $KUBECONFIG, ~/.kube/config, or the service account of the Pod]
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig [default: its current one]
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
}

/// What a command reads.
#[derive(Clone, Debug)]
pub(super) struct Input {
    folder: Option<PathBuf>,
    access: Access,
}

impl Input {
    /// A folder, or the cluster if there is none.
    pub(super) fn new(folder: Option<PathBuf>, cluster: Cluster) -> Self {
        let Cluster {
            kubeconfig,
            context,
        } = cluster;
        Self {
            folder,
            access: Access {
                kubeconfig,
                context,
            },
        }
    }

    /// To be followed. What cannot be found at all is an error, a cluster that does not answer is not.
    pub(super) async fn source(&self) -> anyhow::Result<Source> {
        Ok(match &self.folder {
            Some(folder) => {
                fs::metadata(folder).with_context(|| format!("cannot read {self}"))?;
                Source::Folder(folder.clone())
            }
            None => Source::Kubernetes(self.client().await?),
        })
    }

    /// Read once.
    pub(super) fn read(&self) -> anyhow::Result<State> {
        let cannot = || format!("cannot read {self}");
        match &self.folder {
            Some(folder) => Ok(source::open(folder).with_context(cannot)?.state()),
            None => super::block_on(async {
                let client = self.client().await?;
                kubernetes::read_once(&client).await.with_context(cannot)
            }),
        }
    }

    /// A client of the cluster.
    pub(super) async fn client(&self) -> anyhow::Result<kube::Client> {
        let connected = kubernetes::connect(&self.access).await;
        connected.context(
            "cannot use the cluster; a folder of files would be read instead if one was named",
        )
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.folder {
            Some(folder) => write!(f, "{}", folder.display()),
            None => f.write_str("the cluster"),
        }
    }
}
