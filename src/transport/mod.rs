//! Connections: plain or TLS, accepted without waiting for anybody. Knows nothing of what is said over them.
//!
//! | File | Idea |
//! |---|---|
//! | `tls` | PEM files to a TLS configuration; made anew when the files change |
//! | `speaking` | the same for other protocols |
//! | `accept` | one handshake per task, with a limit in time and number |
//! | `connection` | a connection, plain or TLS, and who is at its other end |

mod accept;
mod connection;
mod speaking;
mod tls;

pub use accept::{Failure, HANDSHAKE, PENDING, accept};
pub use connection::{Connection, Peer};
pub use speaking::speaking;
pub use tls::{ClientCertificates, TlsFiles, server_config};
