//! Flags of `serve` about what the Kubernetes API asks, and about certificates of the control plane's own.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use anyhow::bail;
use clap::ValueEnum;
use tokio::sync::watch;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

use super::input::Input;
use super::place::Place;
use super::sidecar_settings::SidecarSettings;
use crate::admission::Homes;
use crate::admission::Webhook;
use crate::certificates;
use crate::certificates::Material;

/// What the Kubernetes API asks, and certificates of the control plane's own.
#[derive(Debug, clap::Args)]
pub(super) struct Webhooks {
    /// Where the Kubernetes API asks, before it keeps objects and makes Pods, over TLS: usually 0.0.0.0:15017; `off` for
    /// nowhere
    #[arg(
        long,
        env = "MIRRORPLANE_WEBHOOK",
        value_name = "IP:PORT",
        default_value = "off"
    )]
    webhook: Place,
    /// Where certificates come from without --tls-cert
    #[arg(
        long,
        env = "MIRRORPLANE_CERTIFICATES",
        value_enum,
        default_value_t = Certificates::Off,
        value_name = "SOURCE"
    )]
    certificates: Certificates,
    /// Further names and addresses for the certificate that the control plane makes itself
    #[arg(
        long = "certificate-name",
        env = "MIRRORPLANE_CERTIFICATE_NAMES",
        value_name = "NAME",
        value_delimiter = ','
    )]
    certificate_names: Vec<String>,
    #[command(flatten)]
    sidecar: SidecarSettings,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Certificates {
    /// Nowhere
    Off,
    /// The Secret `mirrorplane-certificates`: made and renewed by the replicas, unless it holds those of somebody else
    Secret,
}

/// What the Secret holds, as it is now.
pub(super) type Materials = watch::Receiver<Option<Arc<Material>>>;

/// The certificates of the Secret, as they are now.
#[derive(Clone, Debug)]
pub(super) struct Own {
    pub(super) materials: Materials,
    /// What to serve with.
    pub(super) tls: watch::Receiver<Arc<ServerConfig>>,
}

impl Webhooks {
    /// Whether webhooks are asked for.
    pub(super) fn is_on(&self) -> bool {
        self.webhook.is_on()
    }

    /// Whether the control plane has certificates without being given files.
    pub(super) fn has_certificates(&self) -> bool {
        self.certificates == Certificates::Secret
    }

    /// The namespace of the control plane.
    pub(super) fn system_namespace(&self) -> &str {
        &self.sidecar.mesh.system_namespace
    }

    /// Takes the certificates of the Secret, and goes on keeping them in order.
    pub(super) async fn certificates(&self, input: &Input) -> anyhow::Result<Option<Own>> {
        if !self.has_certificates() {
            return Ok(None);
        }
        let namespace = self.system_namespace();
        let settings = certificates::Settings::new(namespace, &self.certificate_names);
        let client = input.client().await.context("--certificates secret")?;
        let (sender, materials) = watch::channel(None);
        tokio::spawn(certificates::run(client, settings, sender));
        let tls = certificates::follow_tls(materials.clone()).await;
        let tls = tls.context("the certificates are not kept any more")?;
        Ok(Some(Own { materials, tls }))
    }

    /// The webhooks, if they are asked for; `given` is what the files of --tls-cert hold.
    pub(super) async fn webhook(
        self,
        input: &Input,
        own: Option<Own>,
        given: Option<watch::Receiver<Arc<ServerConfig>>>,
    ) -> anyhow::Result<Option<Webhook>> {
        if !self.is_on() {
            return Ok(None);
        }
        let client = input.client().await.context("--webhook")?;
        let sidecar = self.sidecar;
        let ca = sidecar.ca.as_deref().map(certificates_of).transpose()?;
        let Some(tls) = own.as_ref().map(|own| own.tls.clone()).or(given) else {
            bail!(
                "--webhook: the Kubernetes API wants TLS; pass --certificates secret, or --tls-cert and --tls-key"
            );
        };
        if own.is_none() && ca.is_none() {
            bail!("--webhook: with --tls-cert, sidecars have to be told whom to trust; pass --ca");
        }
        let Some(listener) = self.webhook.bind("--webhook", "webhooks").await? else {
            return Ok(None);
        };
        let settings = move || {
            let newest = own.as_ref().and_then(|own| own.materials.borrow().clone());
            let newest = newest.map(|material| material.bundle.clone());
            let ca = ca.clone().or(newest)?;
            Some(sidecar.settings(Some(ca)))
        };
        Ok(Some(Webhook {
            listener,
            tls,
            homes: Homes::new(client),
            sidecar: Box::new(settings),
        }))
    }
}

/// The certificates of a file, PEM.
pub(super) fn certificates_of(path: &Path) -> anyhow::Result<String> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    // They become a part of Pods, which would not start with anything else.
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    match read {
        Ok(certificates) if !certificates.is_empty() => Ok(text),
        _ => bail!("{}: no certificates in PEM form", path.display()),
    }
}
