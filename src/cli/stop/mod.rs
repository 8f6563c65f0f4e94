//! `mirrorplane stop` and `mirrorplane resume`.

mod cluster;
mod files;

use std::path::PathBuf;
use std::process::ExitCode;

use super::input::Cluster;
use super::input::Input;
use crate::name::Namespaced;

/// Stop mirrors at once: nothing is copied any more, and nothing else changes
///
/// Sets the annotation `mirrorplane.io/stop` in the cluster. Sidecars are told within a second, by a runtime value: no route,
/// cluster or listener changes. What was stopped stays so until it is resumed.
///
/// With --config-dir nothing is changed, since files are yours: it prints where the annotation belongs, and exits with 2.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mirrorplane stop curl/traffic-mirror-config --reason 'the shadow runs out of memory'
  mirrorplane stop --namespace pipy       every mirror that has to do with it
  mirrorplane stop --all
  mirrorplane stop --all --config-dir mesh")]
pub(super) struct Stop {
    #[command(flatten)]
    which: Which,
    /// Why, for whoever finds nothing mirrored
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

/// Let mirrors go on that were stopped
///
/// Removes the annotation `mirrorplane.io/stop`. What is stopped by another one as well stays stopped. A PluginConfig whose
/// budget is exceeded goes on too: the annotation `mirrorplane.io/resumed` says since when.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mirrorplane resume curl/traffic-mirror-config
  mirrorplane resume --namespace pipy
  mirrorplane resume --all
  mirrorplane resume --all --config-dir mesh")]
pub(super) struct Resume {
    #[command(flatten)]
    which: Which,
}

/// The objects whose annotation it is.
#[derive(Clone, Debug, clap::Args)]
struct Which {
    /// PluginConfigs: these mirrors
    #[arg(
        value_name = "NAMESPACE/NAME",
        required_unless_present_any = ["namespaces", "all"],
        conflicts_with_all = ["namespaces", "all"]
    )]
    configs: Vec<Namespaced>,
    /// All mirrors that have to do with a namespace
    #[arg(
        long = "namespace",
        short,
        value_name = "NAMESPACE",
        conflicts_with = "all"
    )]
    namespaces: Vec<String>,
    /// All mirrors of the mesh, by its MeshConfig
    #[arg(long)]
    all: bool,
    /// Say where in a folder the annotation belongs
    #[arg(long, value_name = "DIR", conflicts_with = "cluster")]
    config_dir: Option<PathBuf>,
    #[command(flatten)]
    cluster: Cluster,
}

/// An object that may have the annotation.
#[derive(Clone, Debug, PartialEq)]
enum Switch {
    Config(Namespaced),
    Namespace(String),
    /// The MeshConfig in force, whichever that is.
    Everything,
}

impl Which {
    fn switches(&self) -> Vec<Switch> {
        if self.all {
            return vec![Switch::Everything];
        }
        let configs = self.configs.iter().cloned().map(Switch::Config);
        let namespaces = self.namespaces.iter().cloned().map(Switch::Namespace);
        configs.chain(namespaces).collect()
    }

    /// `stop` is the reason, or nothing to resume.
    fn set(self, stop: Option<&str>) -> anyhow::Result<ExitCode> {
        let switches = self.switches();
        let input = Input::new(self.config_dir.clone(), self.cluster);
        if self.config_dir.is_some() {
            return files::tell(&input.read()?, &switches, stop);
        }
        super::block_on(async {
            let client = input.client().await?;
            cluster::set(&client, &switches, stop).await
        })
    }
}

pub(super) fn stop(args: Stop) -> anyhow::Result<ExitCode> {
    args.which.set(Some(&args.reason))
}

pub(super) fn resume(args: Resume) -> anyhow::Result<ExitCode> {
    args.which.set(None)
}
