//! `mirrorplane inject`.

mod input;
mod stream;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;

use self::stream::Stream;
use super::output;
use super::serve_webhook::certificates_of;
use super::sidecar_settings::SidecarSettings;

/// Add the sidecar to Pods and workloads of manifests, as the webhook does in a cluster
///
/// Reads YAML or JSON and writes a YAML stream: Pods, Deployments, StatefulSets, DaemonSets, ReplicaSets, Jobs and CronJobs,
/// also in a `kind: List`, with the sidecar; all else as it was. Comments are lost in the documents that change. The
/// labels and annotations of a Namespace count if it is in the input; otherwise Pods get the sidecar unless they decline.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mirrorplane inject -f deployment.yaml --ca ca.crt | kubectl apply -f -
  kubectl get deployment curl -n curl -o yaml | mirrorplane inject -f - --ca ca.crt
  mirrorplane inject -R -f ./manifests --ca ca.crt > injected.yaml
  kubectl get secret mirrorplane-certificates -n mirrorplane-system -o jsonpath='{.data.ca\\.crt}' \\
    | base64 -d > ca.crt")]
pub(super) struct Args {
    /// File or folder of manifests; `-` is stdin
    #[arg(short, long = "filename", value_name = "FILE", required = true)]
    filename: Vec<PathBuf>,
    /// Read folders with all that is below them
    #[arg(short = 'R', long)]
    recursive: bool,
    /// The namespace of objects that name none
    #[arg(short, long, value_name = "NAMESPACE", default_value = "default")]
    namespace: String,
    /// Let sidecars connect in plain text and show no token
    #[arg(long, conflicts_with = "ca")]
    insecure_plaintext: bool,
    #[command(flatten)]
    sidecar: SidecarSettings,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let ca = match &args.sidecar.ca {
        Some(path) => Some(certificates_of(path)?),
        None if args.insecure_plaintext => None,
        None => bail!(
            "pass --ca, the CAs of the control plane's certificate; the Secret mirrorplane-certificates holds them as \
             `ca.crt`. Or pass --insecure-plaintext"
        ),
    };
    let settings = args.sidecar.settings(ca);
    let mut stream = Stream::default();
    for (path, text) in input::read(&args.filename, args.recursive)? {
        if let Err(diagnostic) = stream.add(&path, &text) {
            output::talk(diagnostic);
            bail!("cannot read {}", path.display());
        }
    }
    let injected = stream.inject(&args.namespace, &settings);
    for diagnostic in &injected.report {
        output::talk(diagnostic);
    }
    if injected.failed {
        bail!("nothing is written");
    }
    for note in &injected.notes {
        output::talk(note);
    }
    output::print(injected.text.trim_end())?;
    Ok(ExitCode::SUCCESS)
}
