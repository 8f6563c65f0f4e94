//! Accepts connections. A handshake runs in a task of its own, so that a slow client holds up nobody.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use super::connection::Connection;

/// For how long a handshake may last.
pub const HANDSHAKE: Duration = Duration::from_secs(5);

/// How many handshakes may be under way. What comes beyond is closed at once; a sidecar comes again.
pub const PENDING: usize = 1_024;

/// How long nothing is accepted after the system refused to: it lacks something, such as file descriptors.
const PAUSE: Duration = Duration::from_millis(50);

/// Why a connection was closed before it could be used.
#[derive(Debug)]
pub enum Failure {
    /// The handshake failed.
    Handshake(io::Error),
    /// The handshake was not over in time.
    Slow,
    /// Too many handshakes were under way.
    Crowded,
}

/// Accepts connections and hands over those that are ready to use, until nobody takes them any more. Dropping it closes
/// the socket, and ends the handshakes under way. Without `tls` they are plain; otherwise each uses the configuration that
/// is the newest when it arrives.
pub async fn accept(
    listener: TcpListener,
    tls: Option<watch::Receiver<Arc<ServerConfig>>>,
    ready: mpsc::Sender<io::Result<Connection>>,
    failed: impl Fn(SocketAddr, Failure),
) {
    let mut handshakes = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(done) = handshakes.join_next() => {
                if let Ok((address, Err(failure))) = done {
                    failed(address, failure);
                }
                continue;
            }
            () = ready.closed() => return,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "cannot accept");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::trace!(%error, "no TCP_NODELAY");
        }
        match &tls {
            None => {
                let connection = Connection::plain(stream, address);
                if ready.send(Ok(connection)).await.is_err() {
                    return;
                }
            }
            Some(_) if handshakes.len() >= PENDING => failed(address, Failure::Crowded),
            Some(tls) => {
                let acceptor = TlsAcceptor::from(Arc::clone(&*tls.borrow()));
                let ready = ready.clone();
                handshakes.spawn(async move {
                    let made = handshake(acceptor, stream, address).await;
                    let sent = match made {
                        Ok(connection) => ready.send(Ok(connection)).await,
                        Err(failure) => return (address, Err(failure)),
                    };
                    // If nobody takes it, the server stops.
                    drop(sent);
                    (address, Ok(()))
                });
            }
        }
    }
}

async fn handshake(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    address: SocketAddr,
) -> Result<Connection, Failure> {
    match timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => Ok(Connection::tls(stream, address)),
        Ok(Err(error)) => Err(Failure::Handshake(error)),
        Err(_) => Err(Failure::Slow),
    }
}
