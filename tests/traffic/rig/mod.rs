//! The rig of the tests that run the whole thing: services, control plane, sidecars and a caller, all on loopback.
//!
//! Nothing here sleeps for a fixed time to hope that something has happened: see [`eventually`].

pub(crate) mod caller;
pub(crate) mod control_plane;
pub(crate) mod echo;
pub(crate) mod mesh;
pub(crate) mod sidecar;
pub(crate) mod stage;

use std::fmt::Display;
use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How long anything may take before a test gives up.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// Waits until the condition yields a value.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(
    what: impl Display,
    mut condition: impl FnMut() -> F,
) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(
            Instant::now() < deadline,
            "still not after {DEADLINE:?}: {what}"
        );
        sleep(Duration::from_millis(5)).await;
    }
}

/// A port that is free now. It lies below the range from which the kernel picks ports for clients.
pub(crate) fn free_address() -> SocketAddr {
    (0..200)
        .map(|_| SocketAddr::from(([127, 0, 0, 1], fastrand::u16(20_000..32_000))))
        .find(|address| TcpListener::bind(address).is_ok())
        .expect("some port is free")
}

/// The real Envoy. Without one its tests cannot run: in CI that is a failure, elsewhere it is said loudly.
pub(crate) fn envoy() -> Option<PathBuf> {
    match std::env::var_os("MIRRORPLANE_ENVOY") {
        Some(path) => Some(PathBuf::from(path)),
        None if std::env::var_os("CI").is_some() => {
            panic!("MIRRORPLANE_ENVOY is not set: run tests/run")
        }
        None => {
            eprintln!("SKIPPED: set MIRRORPLANE_ENVOY to an Envoy binary, or run tests/run");
            None
        }
    }
}
