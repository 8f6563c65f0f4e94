//! Where clients come in, and what they have to show.

use std::sync::Arc;

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
}

impl From<TcpListener> for Entrance {
    fn from(listener: TcpListener) -> Self {
        Self {
            listener,
            tls: None,
            authentication: Authentication::Off,
        }
    }
}
