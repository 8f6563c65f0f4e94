//! Connects to a control plane, as the bootstrap says.

use std::io;
use std::path::Path;

use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use crate::shim::bootstrap::{Bootstrap, Tls};

/// There is no connection.
#[derive(Debug, thiserror::Error)]
pub(in crate::shim) enum Error {
    /// A file of the TLS configuration cannot be read.
    #[error("{path}: {source}")]
    File {
        path: String,
        #[source]
        source: io::Error,
    },
    /// The connection was not made.
    #[error("{}", chain(.0))]
    Transport(#[from] tonic::transport::Error),
}

/// The whole story: tonic says only that there was a transport error.
fn chain(error: &tonic::transport::Error) -> String {
    let mut said = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        said = format!("{said}: {error}");
        cause = error.source();
    }
    said
}

/// A new connection. The files of certificates are read anew.
pub(in crate::shim) async fn connect(
    bootstrap: &Bootstrap,
    endpoint: &str,
) -> Result<Channel, Error> {
    let scheme = bootstrap.tls.as_ref().map_or("http", |_| "https");
    let mut connection = Endpoint::from_shared(format!("{scheme}://{endpoint}"))?
        .connect_timeout(bootstrap.connect_timeout);
    if let Some(keep_alive) = bootstrap.keep_alive {
        connection = connection
            .http2_keep_alive_interval(keep_alive.interval)
            .keep_alive_timeout(keep_alive.timeout)
            .keep_alive_while_idle(true);
    }
    if let Some(tls) = &bootstrap.tls {
        connection = connection.tls_config(read(tls).await?)?;
    }
    Ok(connection.connect().await?)
}

async fn read(tls: &Tls) -> Result<ClientTlsConfig, Error> {
    let mut config = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(content(&tls.ca).await?))
        .domain_name(&tls.server_name);
    if let Some((certificate, key)) = &tls.identity {
        let (certificate, key) = (content(certificate).await?, content(key).await?);
        config = config.identity(Identity::from_pem(certificate, key));
    }
    Ok(config)
}

async fn content(path: &Path) -> Result<Vec<u8>, Error> {
    tokio::fs::read(path).await.map_err(|source| Error::File {
        path: path.display().to_string(),
        source,
    })
}
