//! Flags of `serve` that say who may connect, and how.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use anyhow::bail;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::rustls::ServerConfig;

use super::input::Input;
use crate::access::Authentication;
use crate::access::Reviews;
use crate::access::Tokens;
use crate::reload::follow;
use crate::server::Entrance;
use crate::server::Keepalive;
use crate::transport::ClientCertificates;
use crate::transport::TlsFiles;

/// How long the API server may take to say whether it reviews tokens.
const ANSWER: Duration = Duration::from_secs(10);

/// How sidecars connect, and what they have to show. All files are read again when they change.
#[derive(Debug, clap::Args)]
pub(super) struct Security {
    /// Certificate of this server, followed by its intermediate ones, PEM; makes sidecars use TLS
    #[arg(
        long,
        env = "MIRRORPLANE_TLS_CERT",
        value_name = "FILE",
        requires = "tls_key"
    )]
    tls_cert: Option<PathBuf>,
    /// Private key of that certificate, PEM
    #[arg(
        long,
        env = "MIRRORPLANE_TLS_KEY",
        value_name = "FILE",
        requires = "tls_cert"
    )]
    tls_key: Option<PathBuf>,
    /// CAs of the sidecars' certificates, PEM; a sidecar is told only what concerns the node that its certificate names
    #[arg(
        long,
        env = "MIRRORPLANE_TLS_CLIENT_CA",
        value_name = "FILE",
        requires = "tls_cert"
    )]
    tls_client_ca: Option<PathBuf>,
    /// Bearer tokens of sidecars, a line `TOKEN NAMESPACE/NAME` or `TOKEN NAMESPACE/*` each; with --tls-client-ca, either
    /// will do
    #[arg(long, env = "MIRRORPLANE_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Accept tokens of service accounts that are bound to a Pod and made for this audience, as the Kubernetes API says;
    /// a sidecar is told only what concerns its own Pod. With --tls-client-ca or --token-file, any of them will do
    #[arg(
        long,
        env = "MIRRORPLANE_TOKEN_REVIEW",
        value_name = "AUDIENCE",
        num_args = 0..=1,
        default_missing_value = "mirrorplane",
        value_parser = clap::builder::NonEmptyStringValueParser::new()
    )]
    token_review: Option<String>,
    /// Allow plain text on an address that other machines can reach: everyone on the way can read and change what is sent
    #[arg(long)]
    insecure_plaintext: bool,
    /// Allow TLS without --tls-client-ca, --token-file and --token-review on such an address: everyone is told what it asks for
    #[arg(long)]
    insecure_anonymous: bool,
}

impl Security {
    /// Refuses what would be open to others by accident.
    pub(super) fn check(&self, listen: SocketAddr, has_certificates: bool) -> anyhow::Result<()> {
        if has_certificates && self.tls_cert.is_some() {
            bail!("--certificates secret and --tls-cert exclude each other");
        }
        if listen.ip().is_loopback() {
            return Ok(());
        }
        if self.tls_cert.is_none() && !has_certificates {
            if !self.insecure_plaintext {
                bail!(
                    "{listen} can be reached from other machines, and without --tls-cert and --tls-key nothing is \
                     encrypted; listen on 127.0.0.1, or pass --insecure-plaintext if the network is yours alone"
                );
            }
        } else if self.tls_client_ca.is_none()
            && self.token_file.is_none()
            && self.token_review.is_none()
            && !self.insecure_anonymous
        {
            bail!(
                "{listen} can be reached from other machines, and TLS alone does not tell who they are; pass \
                 --tls-client-ca, --token-file or --token-review, or --insecure-anonymous if everyone may know everything"
            );
        }
        Ok(())
    }

    /// What the files of --tls-cert hold, for a server that asks clients for no certificate; `None` without them.
    pub(super) async fn for_anyone(
        &self,
    ) -> anyhow::Result<Option<watch::Receiver<Arc<ServerConfig>>>> {
        let (Some(certificate), Some(key)) = (self.tls_cert.clone(), self.tls_key.clone()) else {
            return Ok(None);
        };
        let files = TlsFiles {
            certificate,
            key,
            clients: ClientCertificates::NotAsked,
        };
        Ok(Some(files.follow().await.context("TLS")?))
    }

    /// Reads the files, and goes on doing so. Without them `own` is what it serves with.
    pub(super) async fn entrance(
        self,
        listener: TcpListener,
        input: &Input,
        own: Option<watch::Receiver<Arc<ServerConfig>>>,
    ) -> anyhow::Result<Entrance> {
        let tokens = match &self.token_file {
            Some(path) => {
                let tokens = follow([path.clone()], |[file]| Tokens::read(file));
                Some(tokens.await.context("--token-file")?)
            }
            None => None,
        };
        let reviews = match self.token_review {
            Some(audience) => Some(reviews(input, audience).await.context("--token-review")?),
            None => None,
        };
        let by_token = tokens.is_some() || reviews.is_some();
        let authentication = if by_token || self.tls_client_ca.is_some() {
            Authentication::On { tokens, reviews }
        } else {
            Authentication::Off
        };
        let clients = match self.tls_client_ca {
            None => ClientCertificates::NotAsked,
            Some(ca) if by_token => ClientCertificates::Optional(ca),
            Some(ca) => ClientCertificates::Required(ca),
        };
        let tls = match (self.tls_cert, self.tls_key) {
            (Some(certificate), Some(key)) => {
                let files = TlsFiles {
                    certificate,
                    key,
                    clients,
                };
                Some(files.follow().await.context("TLS")?)
            }
            _ => own,
        };
        Ok(Entrance {
            listener,
            tls,
            authentication,
            keepalive: Keepalive::default(),
        })
    }
}

/// Reviews by the API server of the cluster, also if the objects are read from a folder.
async fn reviews(input: &Input, audience: String) -> anyhow::Result<Arc<Reviews>> {
    let reviews = Reviews::new(input.client().await?, audience);
    match timeout(ANSWER, reviews.probe()).await {
        Ok(Ok(())) => {}
        // Nobody would ever get in.
        Ok(Err(kube::Error::Api(status))) if status.is_forbidden() => bail!(
            "the API server refuses to review tokens: {}; --token-review takes the right to create TokenReviews",
            status.message
        ),
        // It may come back.
        Ok(Err(error)) => tracing::warn!(%error, "tokens cannot be reviewed now"),
        Err(late) => tracing::warn!(error = %late, "tokens cannot be reviewed now"),
    }
    Ok(reviews)
}
