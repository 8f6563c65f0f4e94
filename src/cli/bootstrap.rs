//! `mirrorplane bootstrap`.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;

use super::delivery;
use super::output;
use super::output::Format;
use crate::name::Namespaced;
use crate::sidecar::Bootstrap;
use crate::sidecar::ControlPlane;
use crate::sidecar::Credential;
use crate::sidecar::Identity;
use crate::sidecar::Tls;
use crate::sidecar::Token;
use crate::sidecar::TokenFile;

/// The cluster that sidecars say they belong to; Envoy wants one, for its statistics.
const NODE_CLUSTER: &str = "mirrorplane";

/// Print an Envoy bootstrap, which the shim reads too
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mirrorplane bootstrap --node curl/curl > bootstrap.yaml
  envoy -c bootstrap.yaml
  mirrorplane shim --bootstrap bootstrap.yaml
  mirrorplane bootstrap --node curl/curl --control-plane mirrorplane.mesh.svc:15128 \\
    --tls-ca ca.crt --tls-cert tls.crt --tls-key tls.key > bootstrap.yaml
  account=\"--token-path /var/run/secrets/mirrorplane/token --sds-path /etc/mirrorplane/sds.yaml\"
  mirrorplane bootstrap --node curl/curl $account --print sds > /etc/mirrorplane/sds.yaml
  mirrorplane bootstrap --node curl/curl $account > bootstrap.yaml")]
pub(super) struct Args {
    /// The Pod or workload that the sidecar belongs to
    #[arg(long, value_name = "NAMESPACE/NAME")]
    node: Namespaced,
    /// Where `mirrorplane serve` listens
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:15128")]
    control_plane: ControlPlane,
    /// Where the sidecar's admin page listens; without it there is none
    #[arg(long, value_name = "IP:PORT")]
    admin: Option<SocketAddr>,
    /// Incremental xDS instead of state-of-the-world
    #[arg(long)]
    delta: bool,
    /// CAs of the control plane's certificate, PEM; makes the sidecar use TLS. It reads this file and those below itself
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<String>,
    /// Certificate of the sidecar, PEM
    #[arg(long, value_name = "FILE", requires_all = ["tls_ca", "tls_key"])]
    tls_cert: Option<String>,
    /// Private key of that certificate, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<String>,
    /// Name or address in the control plane's certificate [default: the host of --control-plane]
    #[arg(long, value_name = "NAME", requires = "tls_ca")]
    tls_server_name: Option<String>,
    /// File of the sidecar's bearer token, which becomes a part of the output: keep that as secret as the token
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// File of a bearer token that is replaced while the sidecar runs, as a service account's is. The sidecar reads it
    /// itself, anew for each stream
    #[arg(
        long,
        value_name = "FILE",
        requires = "sds_path",
        conflicts_with = "token_file"
    )]
    token_path: Option<String>,
    /// Where Envoy finds what `--print sds` prints; needed when it starts
    #[arg(long, value_name = "FILE", requires = "token_path")]
    sds_path: Option<String>,
    /// What to print: the bootstrap, or the file that it expects at --sds-path
    #[arg(long, value_enum, default_value_t = Part::Bootstrap)]
    print: Part,
    /// Form of the output; text is YAML
    #[arg(long, short, value_enum, default_value_t = Format::Yaml)]
    output: Format,
}

/// A file that a sidecar starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// The bootstrap
    Bootstrap,
    /// The file at --sds-path
    Sds,
}

impl Args {
    fn tls(&self) -> Option<Tls> {
        let identity = self.tls_cert.clone().zip(self.tls_key.clone());
        Some(Tls {
            ca: self.tls_ca.clone()?,
            identity: identity.map(|(certificate, key)| Identity { certificate, key }),
            server_name: self.tls_server_name.clone(),
        })
    }

    fn token_path(&self) -> Option<TokenFile> {
        Some(TokenFile {
            path: self.token_path.clone()?,
            sds_path: self.sds_path.clone()?,
        })
    }

    fn token(&self) -> anyhow::Result<Option<Credential>> {
        if let Some(file) = self.token_path() {
            return Ok(Some(Credential::File(file)));
        }
        let Some(path) = &self.token_file else {
            return Ok(None);
        };
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let token = Token::new(&text).with_context(|| format!("in {}", path.display()))?;
        Ok(Some(Credential::Fixed(token)))
    }
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if args.print == Part::Sds {
        let file = args
            .token_path()
            .context("--print sds needs --token-path and --sds-path")?;
        output::print_as(args.output, &file.sds())?;
        return Ok(ExitCode::SUCCESS);
    }
    let bootstrap = Bootstrap {
        node_id: args.node.to_string(),
        node_cluster: NODE_CLUSTER.to_owned(),
        control_plane: args.control_plane.clone(),
        delivery: delivery(args.delta),
        tls: args.tls(),
        token: args.token()?,
        admin: args.admin,
    };
    output::print_as(args.output, &bootstrap.to_json())?;
    Ok(ExitCode::SUCCESS)
}
