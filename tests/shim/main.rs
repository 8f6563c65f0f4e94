//! The shim on the wire: a small ADS server on one side, callers and upstreams on the other.
//!
//! Nothing of the control plane is used here, so a mistake cannot be on both sides.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod breaking;
mod caller;
mod connections;
mod control_plane;
mod listening;
mod mirroring;
mod protocol;
mod proxying;
mod resources;
mod sampling;
mod service;
mod upstream;
mod warming;

use std::future::Future;
use std::time::Duration;

use mirrorplane::shim::{Bootstrap, Shim, Variant};

use control_plane::ControlPlane;

/// How long a test waits for what must happen.
const DEADLINE: Duration = Duration::from_secs(20);

/// What must be done in time.
async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(DEADLINE, future).await {
        Ok(value) => value,
        Err(_) => panic!("not in time: {what}"),
    }
}

/// Waits until a condition holds.
async fn until(what: &str, condition: impl Fn() -> bool) {
    in_time(what, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

/// A shim that is told what to do by this control plane.
fn shim(control_plane: &ControlPlane, variant: Variant) -> Shim {
    Shim::start(Bootstrap {
        node_id: "test/test".into(),
        node_cluster: "test".into(),
        variant,
        control_plane: vec![control_plane.address().to_string()],
        tls: None,
        initial_metadata: Vec::new(),
        injected: None,
        connect_timeout: Duration::from_secs(1),
        keep_alive: None,
        runtime_layers: vec!["mirrorplane".into()],
        load_reports: None,
    })
    .unwrap()
}

/// Both variants of the protocol.
const VARIANTS: [Variant; 2] = [Variant::Sotw, Variant::Delta];
