//! Where clients come in, and what they have to show.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::rustls::ServerConfig;

use crate::access::Authentication;

/// A bound socket, and how clients get through it. A bare listener is plain text, and open to everyone.
#[derive(Debug)]
pub struct Entrance {
    /// Where clients connect.
    pub listener: TcpListener,
    /// The TLS configuration of new connections; `None` is plain text.
    pub tls: Option<watch::Receiver<Arc<ServerConfig>>>,
    /// Who is let in.
    pub authentication: Authentication,
    /// How peers that are gone without a word are found.
    pub keepalive: Keepalive,
}

/// When a connection is given up: HTTP/2 PINGs that are not answered (RFC 9113, section 6.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// How long a connection is silent before it is asked for a sign of life, with streams on it or not.
    pub interval: Duration,
    /// How long the answer may take.
    pub timeout: Duration,
}

impl Default for Keepalive {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(30),
            timeout: Duration::from_secs(10),
        }
    }
}

impl From<TcpListener> for Entrance {
    fn from(listener: TcpListener) -> Self {
        Self {
            listener,
            tls: None,
            authentication: Authentication::Off,
            keepalive: Keepalive::default(),
        }
    }
}
