//! PEM files to a TLS configuration.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;
use tokio_rustls::rustls;
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::server::NoServerSessionStorage;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::version::TLS12;
use tokio_rustls::rustls::version::TLS13;

use crate::reload::File;
use crate::reload::FileError;
use crate::reload::follow;

/// The PEM files of a TLS server.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate, then the intermediate ones.
    pub certificate: PathBuf,
    /// The private key of the certificate: PKCS#8, PKCS#1 or SEC1.
    pub key: PathBuf,
    /// Whether clients have certificates as well.
    pub clients: ClientCertificates,
}

/// What is asked of a client in the handshake. The file holds the CAs that its certificate is verified with.
#[derive(Clone, Debug)]
pub enum ClientCertificates {
    /// No certificate.
    NotAsked,
    /// A certificate if it has one, because it may show something else instead.
    Optional(PathBuf),
    /// A certificate.
    Required(PathBuf),
}

impl TlsFiles {
    /// The configuration for new connections. A change of any file makes a whole new one; a file that is broken is logged
    /// and changes nothing.
    ///
    /// # Errors
    ///
    /// If the files cannot be used now.
    pub async fn follow(self) -> Result<watch::Receiver<Arc<ServerConfig>>, FileError> {
        let Self {
            certificate,
            key,
            clients,
        } = self;
        let (ca, presence) = match clients {
            ClientCertificates::NotAsked => {
                return follow([certificate, key], |[certificate, key]| {
                    server(certificate, key, None)
                })
                .await;
            }
            ClientCertificates::Optional(ca) => (ca, Presence::Optional),
            ClientCertificates::Required(ca) => (ca, Presence::Required),
        };
        follow([certificate, key, ca], move |[certificate, key, ca]| {
            server(certificate, key, Some((ca, presence)))
        })
        .await
    }
}

#[derive(Clone, Copy)]
enum Presence {
    Optional,
    Required,
}

/// The configuration of a server that speaks HTTP/2 and asks its clients for no certificate.
///
/// # Errors
///
/// If the certificate and the key, PEM, are not those of one server.
pub fn server_config(certificate: &File, key: &File) -> Result<ServerConfig, FileError> {
    server(certificate, key, None)
}

fn server(
    certificate: &File,
    key: &File,
    clients: Option<(&File, Presence)>,
) -> Result<ServerConfig, FileError> {
    let chain = certificates(certificate)?;
    let private = PrivateKeyDer::from_pem_slice(&key.content)
        .map_err(|_| key.fault("no private key in PEM form"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        // Envoy's clients offer no more than 1.2 unless they are told to.
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(|error| certificate.fault(error))?;
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some((ca, presence)) => {
            builder.with_client_cert_verifier(verifier(ca, presence, provider)?)
        }
    };
    let mut config = builder
        .with_single_cert(chain, private)
        .map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => key.fault(format_args!(
                "not the key of {}",
                certificate.path.display()
            )),
            error @ rustls::Error::InvalidCertificate(_) => certificate.fault(error),
            error => key.fault(error),
        })?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    // A resumed session would not look at the client's certificate again, and streams live for days anyway.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

fn verifier(
    ca: &File,
    presence: Presence,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, FileError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca)? {
        roots.add(certificate).map_err(|error| ca.fault(error))?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    match presence {
        Presence::Optional => verifier.allow_unauthenticated(),
        Presence::Required => verifier,
    }
    .build()
    .map_err(|error| ca.fault(error))
}

fn certificates(file: &File) -> Result<Vec<CertificateDer<'static>>, FileError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&file.content).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(file.fault("no certificates in PEM form")),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::Presence;
    use super::server;
    use crate::reload::File;

    fn file(name: &str, content: &str) -> File {
        File {
            path: PathBuf::from(name),
            content: content.as_bytes().to_vec(),
        }
    }

    #[test]
    fn the_file_that_is_wrong_is_named() {
        let one = rcgen::generate_simple_self_signed(["one".to_owned()]).unwrap();
        let other = rcgen::generate_simple_self_signed(["other".to_owned()]).unwrap();
        let (pem, key) = (one.cert.pem(), one.signing_key.serialize_pem());
        let other = other.signing_key.serialize_pem();
        let cut: String = pem.chars().take(200).collect();
        let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for (certificate, key, ca, expected) in [
            (pem.as_str(), key.as_str(), pem.as_str(), None),
            ("", &key, &pem, Some("certificate: no certificates")),
            (&cut, &key, &pem, Some("certificate: no certificates")),
            (&pem, "", &pem, Some("key: no private key")),
            (&pem, &other, &pem, Some("key: not the key of certificate")),
            (garbage, &key, &pem, Some("certificate: ")),
            (&pem, &key, "nothing", Some("ca: no certificates")),
            (&pem, &key, garbage, Some("ca: ")),
        ] {
            let ca = file("ca", ca);
            let clients = Some((&ca, Presence::Required));
            let made = server(
                &file("certificate", certificate),
                &file("key", key),
                clients,
            );
            match (made, expected) {
                (Ok(_), None) => {}
                (Err(error), Some(expected)) => {
                    assert!(error.to_string().starts_with(expected), "{error}");
                }
                (made, expected) => panic!("{:?}, not {expected:?}", made.map(drop)),
            }
        }
    }
}
