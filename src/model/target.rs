//! Where copies go.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::sync::Arc;

use super::{Backend, Protocol};

/// Where the copies of a mirror go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A port of a Service.
    Service {
        /// The port.
        backend: Arc<Backend>,
        /// How it proves who it is; `None` if it is spoken to without TLS.
        tls: Option<Arc<ServerTls>>,
    },
    /// A host that is no Service.
    External(Arc<External>),
}

/// A host outside, as a name for DNS or as an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct External {
    /// In lower case; an IPv6 address without brackets.
    pub host: String,
    /// Its port.
    pub port: NonZeroU16,
    /// What it speaks.
    pub protocol: Protocol,
    /// How it proves who it is; `None` if it is spoken to without TLS.
    pub tls: Option<ServerTls>,
}

/// TLS to a server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerTls {
    /// What its certificate is for.
    pub name: ServerName,
    /// Who vouches for its certificate.
    pub trust: Trust,
}

/// Who a server is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ServerName {
    /// Known by a name, in lower case, for which it is also asked.
    Dns(String),
    /// Known by its address.
    Address(IpAddr),
}

impl ServerName {
    /// That of a host, which is a name or an address.
    pub fn of_host(host: &str) -> Self {
        let address = host.parse().map(Self::Address);
        address.unwrap_or_else(|_| Self::Dns(host.to_owned()))
    }
}

/// Whose certificates are believed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Trust {
    /// Those that the image of the sidecar believes.
    System,
    /// Those of these authorities, as PEM.
    Authorities(String),
    /// Anybody's, for any name.
    Anybody,
}

impl Target {
    /// The port of a Service that it is, if it is one.
    pub fn backend(&self) -> Option<&Arc<Backend>> {
        match self {
            Self::Service { backend, .. } => Some(backend),
            Self::External(_) => None,
        }
    }

    /// What it speaks.
    pub fn protocol(&self) -> Protocol {
        match self {
            Self::Service { backend, .. } => backend.protocol,
            Self::External(external) => external.protocol,
        }
    }
}

impl From<Arc<Backend>> for Target {
    fn from(backend: Arc<Backend>) -> Self {
        Self::Service { backend, tls: None }
    }
}

/// `NAMESPACE/SERVICE:PORT`, with the labels of a subset as in `NAMESPACE/SERVICE:PORT[KEY=VALUE]`, or `HOST:PORT`.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service { backend, .. } => {
                let Backend {
                    service,
                    port,
                    subset,
                    ..
                } = &**backend;
                write!(f, "{service}:{port}{subset}")
            }
            Self::External(external) => external.fmt(f),
        }
    }
}

impl External {
    /// The Host of requests to it: without the port that is usual.
    pub fn authority(&self) -> String {
        let usual = if self.tls.is_some() { 443 } else { 80 };
        match self.port.get() == usual {
            true => self.bracketed(),
            false => self.to_string(),
        }
    }

    /// Its address, if it is not a name.
    pub fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    fn bracketed(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]", self.host),
            false => self.host.clone(),
        }
    }
}

/// `HOST:PORT`.
impl fmt::Display for External {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.bracketed(), self.port)
    }
}
