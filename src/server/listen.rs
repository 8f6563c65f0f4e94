//! A socket for sidecars that all come at once.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::net::TcpSocket;

/// Connections that may wait to be accepted. After a restart every sidecar connects within moments; one that finds the
/// queue full is not refused but dropped, and its kernel tries again only after a second, then after three. Linux takes
/// the smaller of this and `net.core.somaxconn`, 4096 by default.
const BACKLOG: u32 = 4_096;

/// Binds the address that sidecars connect to, for [`serve`](super::serve).
///
/// # Errors
///
/// The address is in use, or is none of this machine's.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // Connections of the process before linger for a minute, and must not keep its successor from the address.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::net::TcpStream;

    use super::listen;

    #[tokio::test]
    async fn a_crowd_is_let_in_before_anybody_is_accepted() {
        let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let mut crowd = Vec::new();
        for number in 0..500 {
            let connecting = TcpStream::connect(address);
            let connected = tokio::time::timeout(Duration::from_millis(900), connecting);
            let connected = connected.await;
            crowd.push(connected.unwrap_or_else(|_| panic!("number {number} waits")));
        }
        assert!(crowd.iter().all(Result::is_ok));
    }
}
