//! A new connection to an endpoint.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

/// No answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    /// There is nothing to connect to.
    #[error("no address")]
    NoAddress,
    /// No connection, not even within the time for it.
    #[error("cannot connect to {0}")]
    Connect(SocketAddr, #[source] std::io::Error),
    /// The connection broke, or what came over it was no HTTP.
    #[error("no answer")]
    Http(#[from] hyper::Error),
}

/// A connection to the first address that takes one. Each has its own time for it.
pub(super) async fn connect(
    addresses: &[SocketAddr],
    limit: Duration,
) -> Result<(SocketAddr, TcpStream), SendError> {
    let mut failure = SendError::NoAddress;
    for address in addresses {
        let stream = timeout(limit, TcpStream::connect(address))
            .await
            .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
            .and_then(|stream| stream.set_nodelay(true).map(|()| stream));
        match stream {
            Ok(stream) => return Ok((*address, stream)),
            Err(error) => failure = SendError::Connect(*address, error),
        }
    }
    Err(failure)
}
