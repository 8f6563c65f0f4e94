//! The caller's sidecar: the shim in this process, or a real Envoy beside it.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use anyhow::bail;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::shim;
use crate::shim::Shim;
use crate::sidecar::Bootstrap;

/// How long a sidecar may take until it serves.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running sidecar; dropping it stops it.
#[derive(Debug)]
pub(super) enum DataPlane {
    Shim {
        /// Held to be dropped.
        _running: Shim,
    },
    Envoy(Child),
}

impl DataPlane {
    /// Starts a sidecar and waits until it accepts connections at `address`.
    pub(super) async fn start(
        bootstrap: &Bootstrap,
        envoy: Option<&Path>,
        folder: &Path,
        address: SocketAddr,
    ) -> anyhow::Result<Self> {
        let text = bootstrap.to_yaml();
        let mut this = match envoy {
            None => Self::Shim {
                _running: Shim::start(shim::Bootstrap::parse(&text)?)?,
            },
            Some(binary) => Self::Envoy(start_envoy(binary, &text, folder)?),
        };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(address).await.is_err() {
            if let Self::Envoy(child) = &mut this
                && let Some(status) = child.try_wait()?
            {
                // The folder goes away with the demo.
                let log = fs::read_to_string(folder.join("envoy.log")).unwrap_or_default();
                bail!("Envoy ended: {status}\n{}", log.trim_end());
            }
            if Instant::now() > deadline {
                bail!("the sidecar does not listen on {address} after {PATIENCE:?}");
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(this)
    }
}

fn start_envoy(binary: &Path, bootstrap: &str, folder: &Path) -> anyhow::Result<Child> {
    let config = folder.join("bootstrap.yaml");
    fs::write(&config, bootstrap)?;
    Command::new(binary)
        .arg("--config-path")
        .arg(&config)
        // Another Envoy on this machine must not be disturbed.
        .args([
            "--disable-hot-restart",
            "--concurrency",
            "1",
            "--log-level",
            "warning",
        ])
        .arg("--log-path")
        .arg(folder.join("envoy.log"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot start {}", binary.display()))
}
