//! `mirrorplane namespace`.

mod change;
mod list;

use std::process::ExitCode;

use anyhow::bail;
use clap::Subcommand;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::Client;
use kube::api::ListParams;
use kube::api::Patch;
use kube::api::PatchParams;
use serde_json::Value;

use self::change::Added;
use super::input::Cluster;
use super::input::Input;
use super::mesh_names::MeshNames;
use super::output;
use super::output::Format;

/// Let namespaces join the mesh or leave it
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mirrorplane namespace add curl pipy
  mirrorplane namespace add curl --disable-sidecar-injection
  mirrorplane namespace remove curl
  mirrorplane namespace list
  mirrorplane namespace list --output json | jq -r '.[].namespace'

A namespace joins by the label openservicemesh.io/monitored-by, whose value is the name of the mesh. Pods get their sidecar
when they are made: restart those that are there already, as with `kubectl rollout restart`.")]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Let namespaces join the mesh
    Add {
        /// Namespaces
        #[arg(required = true, value_name = "NAMESPACE")]
        namespaces: Vec<String>,
        #[command(flatten)]
        mesh: Mesh,
        /// Add no sidecars to Pods, unless they ask for one
        #[arg(long)]
        disable_sidecar_injection: bool,
    },
    /// Let namespaces leave the mesh
    Remove {
        /// Namespaces
        #[arg(required = true, value_name = "NAMESPACE")]
        namespaces: Vec<String>,
        #[command(flatten)]
        mesh: Mesh,
    },
    /// List the namespaces of all meshes, or of one
    List {
        /// Only those of this mesh
        #[arg(long, value_name = "NAME")]
        mesh_name: Option<String>,
        #[command(flatten)]
        cluster: Cluster,
        /// Form of the list
        #[arg(long, short, value_enum, default_value_t = Format::Text)]
        output: Format,
    },
}

/// Which mesh.
#[derive(Clone, Debug, clap::Args)]
struct Mesh {
    #[command(flatten)]
    names: MeshNames,
    #[command(flatten)]
    cluster: Cluster,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    super::block_on(async {
        match args.action {
            Action::Add {
                namespaces,
                mesh,
                disable_sidecar_injection,
            } => {
                let client = client(mesh.cluster.clone()).await?;
                installed(&client).await;
                let injection = if disable_sidecar_injection {
                    "disabled"
                } else {
                    "enabled"
                };
                each(&client, &namespaces, |namespace| {
                    change::add(
                        namespace,
                        &mesh.names.mesh_name,
                        &mesh.names.system_namespace,
                        injection,
                    )
                })
                .await
            }
            Action::Remove { namespaces, mesh } => {
                let client = client(mesh.cluster.clone()).await?;
                each(&client, &namespaces, |namespace| {
                    change::remove(namespace, &mesh.names.mesh_name)
                })
                .await
            }
            Action::List {
                mesh_name,
                cluster,
                output,
            } => {
                let client = client(cluster).await?;
                let all = Api::<Namespace>::all(client);
                let all = all.list(&ListParams::default()).await?;
                let rows = list::rows(&all.items, mesh_name.as_deref());
                match output {
                    Format::Text if rows.is_empty() => {
                        output::talk("no namespace has joined a mesh");
                    }
                    Format::Text => output::print(list::table(&rows))?,
                    format => output::print_as(format, &rows)?,
                }
                Ok(ExitCode::SUCCESS)
            }
        }
    })
}

async fn client(cluster: Cluster) -> anyhow::Result<Client> {
    Input::new(None, cluster).client().await
}

/// Says so if there is nobody to act on what is asked for. Not an error: a control plane may run elsewhere, and not
/// everybody may look.
async fn installed(client: &Client) {
    use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
    let webhooks = Api::<MutatingWebhookConfiguration>::all(client.clone());
    if let Ok(None) = webhooks.get_opt("mirrorplane").await {
        output::talk(
            "warning: there is no MutatingWebhookConfiguration `mirrorplane`; Pods get no sidecar before it is installed",
        );
    }
}

/// Changes each namespace. The others are changed also if one cannot be.
async fn each(
    client: &Client,
    namespaces: &[String],
    change: impl Fn(&Namespace) -> Result<Added, String>,
) -> anyhow::Result<ExitCode> {
    let api = Api::<Namespace>::all(client.clone());
    let mut failed = 0;
    for name in namespaces {
        match one(&api, name, &change).await {
            Ok(said) => output::talk(said),
            Err(error) => {
                failed += 1;
                output::talk(format_args!("error: {error:#}"));
            }
        }
    }
    if failed > 0 {
        bail!("{} left as they were", output::count(failed, "namespace"));
    }
    Ok(ExitCode::SUCCESS)
}

async fn one(
    api: &Api<Namespace>,
    name: &str,
    change: impl Fn(&Namespace) -> Result<Added, String>,
) -> anyhow::Result<String> {
    let Some(found) = api.get_opt(name).await? else {
        bail!("there is no namespace `{name}`");
    };
    let (patch, said) = match change(&found).map_err(anyhow::Error::msg)? {
        Added::Already(said) => return Ok(said),
        Added::By(patch, said) => (patch, said),
    };
    let patch: Patch<Value> = Patch::Merge(patch);
    api.patch(name, &PatchParams::default(), &patch).await?;
    Ok(said)
}
