//! The loop that keeps certificates in order, and hands them out.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use kube::Client;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_rustls::rustls::ServerConfig;

use super::held::Held;
use super::held::Leaf;
use super::issue::Lives;
use super::secret;
use super::webhooks;
use crate::reload::File;
use crate::reload::FileError;
use crate::transport::server_config;

/// Where the certificates are, and what they are for.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The namespace of the control plane.
    pub namespace: String,
    /// The names and addresses that clients connect to.
    pub names: Vec<String>,
    /// For how long certificates are good.
    pub lives: Lives,
    /// How often they are looked at.
    pub look: Duration,
}

impl Settings {
    /// For a Service `mirrorplane` of a namespace, and further names.
    pub fn new(namespace: &str, further: &[String]) -> Self {
        let service = format!("mirrorplane.{namespace}.svc");
        let mut names = vec![
            format!("mirrorplane.{namespace}"),
            format!("{service}.cluster.local"),
            service,
        ];
        names.extend_from_slice(further);
        Self {
            namespace: namespace.to_owned(),
            names,
            lives: Lives::default(),
            look: Duration::from_secs(10),
        }
    }
}

/// What is served with, and how it is verified.
#[derive(Clone)]
pub struct Material {
    /// The CAs, PEM.
    pub bundle: String,
    /// For new connections over HTTP/2.
    pub tls: Arc<ServerConfig>,
}

/// Without keys.
impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Material").finish_non_exhaustive()
    }
}

/// Keeps the certificates in order and hands them out, for ever. What cannot be had now is tried again at the next look;
/// what was good stays in use until then.
pub async fn run(
    client: Client,
    settings: Settings,
    materials: watch::Sender<Option<Arc<Material>>>,
) {
    let mut current = None;
    let mut troubles = Troubles::default();
    loop {
        match look(&client, &settings).await {
            Ok(found) if current.as_ref() != Some(&found) => match material(&found) {
                Ok(material) => {
                    materials.send_replace(Some(Arc::new(material)));
                    tracing::info!("certificates loaded; new connections use them");
                    current = Some(found);
                    troubles.over("certificate");
                }
                Err(error) => troubles.say("certificate", &error),
            },
            Ok(_) => troubles.over("certificate"),
            Err(error) => troubles.say("certificate", &error),
        }
        if let Some((bundle, _)) = &current {
            match webhooks::tell(&client, bundle).await {
                Ok(()) => troubles.over("webhook"),
                Err(error) => troubles.say("webhook", &error),
            }
        }
        // Replicas that started together need not look together.
        let spread = 0.8 + 0.4 * fastrand::f64();
        sleep(settings.look.mul_f64(spread)).await;
    }
}

/// The CAs, and what is served with.
type Found = (String, Leaf);

async fn look(client: &Client, settings: &Settings) -> Result<Found, secret::Error> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = since.map_or(0, |since| since.as_secs());
    let Settings {
        namespace,
        names,
        lives,
        ..
    } = settings;
    match secret::settle(client, namespace, names, lives, now).await? {
        Held::Signed(held) => match held.serving.clone() {
            Some(serving) => Ok((held.bundle(), serving)),
            None => Err(secret::Error::Crowded),
        },
        Held::Provided(provided) => Ok((provided.bundle, provided.serving)),
        Held::Nothing => Err(secret::Error::Crowded),
    }
}

fn material((bundle, leaf): &Found) -> Result<Material, FileError> {
    let file = |key: &str, content: &str| File {
        path: PathBuf::from(format!("{key} of the Secret {}", secret::NAME)),
        content: content.as_bytes().to_vec(),
    };
    let certificate = file("tls.crt", &leaf.certificate);
    let key = file("tls.key", &leaf.key);
    Ok(Material {
        bundle: bundle.clone(),
        tls: Arc::new(server_config(&certificate, &key)?),
    })
}

/// The TLS configuration of the newest certificates; waits until there are any. It ends when nobody reads it any more.
pub async fn follow_tls(
    mut materials: watch::Receiver<Option<Arc<Material>>>,
) -> Option<watch::Receiver<Arc<ServerConfig>>> {
    let newest = |materials: &mut watch::Receiver<Option<Arc<Material>>>| {
        let material = materials.borrow_and_update();
        material.as_ref().map(|material| Arc::clone(&material.tls))
    };
    let first = loop {
        match newest(&mut materials) {
            Some(first) => break first,
            None => materials.changed().await.ok()?,
        }
    };
    let (sender, receiver) = watch::channel(first);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                changed = materials.changed() => if changed.is_err() { return },
                () = sender.closed() => return,
            }
            if let Some(next) = newest(&mut materials) {
                sender.send_replace(next);
            }
        }
    });
    Some(receiver)
}

/// What does not work at present, each said once.
#[derive(Debug, Default)]
struct Troubles(std::collections::BTreeMap<&'static str, String>);

impl Troubles {
    fn say(&mut self, what: &'static str, error: &dyn std::error::Error) {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        if self.0.get(what) != Some(&text) {
            tracing::error!(
                what,
                reason = text,
                "the certificates are not in order; trying again"
            );
            self.0.insert(what, text);
        }
    }

    fn over(&mut self, what: &'static str) {
        if self.0.remove(what).is_some() {
            tracing::info!(what, "the certificates are in order again");
        }
    }
}
