//! Flags that say whether and where to listen: `IP:PORT`, or `off`.

use std::net::SocketAddr;
use std::str::FromStr;

use anyhow::Context;
use tokio::net::TcpListener;
use tracing::info;

/// Whether and where to listen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place(Option<SocketAddr>);

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self(None)),
            _ => match text.parse() {
                Ok(address) => Ok(Self(Some(address))),
                Err(error) => Err(format!("{error}; wanted IP:PORT or `off`")),
            },
        }
    }
}

impl Place {
    /// Whether to listen at all.
    pub(super) fn is_on(self) -> bool {
        self.0.is_some()
    }

    /// Listens, as the flag says, and logs where what is answered; `None` if it is off.
    pub(super) async fn bind(self, flag: &str, what: &str) -> anyhow::Result<Option<TcpListener>> {
        let Some(address) = self.0 else {
            return Ok(None);
        };
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("cannot listen on {address}, the address of {flag}"))?;
        info!(address = %listener.local_addr()?, "{what}");
        Ok(Some(listener))
    }
}
