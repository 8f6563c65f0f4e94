//! How a sidecar gets hold of what its application sends.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

/// The port to which a sidecar with transparent capture has connections redirected.
pub const CAPTURE_PORT: u16 = 15001;
/// The port on which such a sidecar says that it is ready.
pub const READY_PORT: u16 = 15021;
/// The ports of such a sidecar that can be reached at any address of its Pod. Connections to them, wherever they go, are
/// left alone: the sidecar would take them for its own.
pub const SIDECAR_PORTS: [u16; 2] = [CAPTURE_PORT, READY_PORT];

/// The word for [`Capture::Transparent`].
const TRANSPARENT: &str = "transparent";

/// How a sidecar gets hold of its application's requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Capture {
    /// The application is told: the sidecar is its HTTP proxy, and listens at this address.
    Explicit(SocketAddr),
    /// The application is not told: its connections are redirected to the sidecar, which sends them on to where they were
    /// going.
    Transparent,
}

/// The text is neither an address nor the word for transparent capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither an IP address with a port nor `{TRANSPARENT}`")]
pub struct NotACapture;

impl FromStr for Capture {
    type Err = NotACapture;

    fn from_str(text: &str) -> Result<Self, NotACapture> {
        match text {
            TRANSPARENT => Ok(Self::Transparent),
            _ => text.parse().map(Self::Explicit).map_err(|_| NotACapture),
        }
    }
}

/// `127.0.0.1:15001` or `transparent`; the inverse of [`FromStr`].
impl fmt::Display for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Explicit(address) => address.fmt(f),
            Self::Transparent => f.write_str(TRANSPARENT),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Capture;

    #[test]
    fn the_text_of_a_capture_has_an_inverse() {
        for text in ["127.0.0.1:15001", "[::1]:1", "transparent"] {
            assert_eq!(text.parse::<Capture>().unwrap().to_string(), text);
        }
        for text in ["", "15001", "127.0.0.1", "localhost:1", "Transparent"] {
            assert!(text.parse::<Capture>().is_err(), "{text}");
        }
    }
}
