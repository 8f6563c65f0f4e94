//! A Kubernetes API of one's own, on loopback.
//!
//! A test that leaves the API as it found it, but for namespaces of its own, uses [`Cluster::shared`]: one for the whole
//! binary. A test that breaks something uses [`Cluster::own`]. A test starts with
//!
//! ```ignore
//! let Some(cluster) = Cluster::shared().await else { return };
//! let namespace = cluster.namespace("what-for").await;
//! ```

mod authority;
mod cluster;
mod guarded;
mod kinds;
mod kubectl;
mod kubelet;
mod pod;

use std::fmt::Display;
use std::time::Duration;

use tokio::time::{Instant, sleep};

pub(crate) use cluster::{Cluster, Parts, ask};
pub(crate) use pod::{TestPod, delete_pod, set_pod};

/// How long anything may take before a test gives up; the machine may be busy with other tests.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Waits until the condition yields a value.
pub(crate) async fn eventually<T>(
    what: impl Display,
    mut condition: impl AsyncFnMut() -> Option<T>,
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
        sleep(Duration::from_millis(25)).await;
    }
}
