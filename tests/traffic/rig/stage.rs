//! All parts of one test, started.

use std::fmt;

use super::caller::Caller;
use super::control_plane::ControlPlane;
use super::echo::{Echo, Manner};
use super::eventually;
use super::mesh::Mesh;
use super::sidecar::{Plane, Sidecar};

/// Where the caller's requests go, by the name that the sidecar knows.
pub(crate) const URL: &str = "http://pipy-ok-v1.pipy:8080/";

/// The example of the README, running: v1 is live, v2 is the shadow, all is mirrored.
#[derive(Debug)]
pub(crate) struct Stage {
    // Dropped in this order: the sidecar before the control plane that it would try to reach.
    pub(crate) sidecar: Sidecar,
    pub(crate) control_plane: ControlPlane,
    pub(crate) mesh: Mesh,
    pub(crate) live: Echo,
    pub(crate) shadow: Echo,
}

impl Stage {
    /// Everything works. `None` if there is no Envoy to start.
    pub(crate) async fn new(plane: Plane) -> Option<Self> {
        Self::with_shadow(plane, Manner::Answers).await
    }

    /// The shadow behaves like this.
    pub(crate) async fn with_shadow(plane: Plane, manner: Manner) -> Option<Self> {
        let live = Echo::start("v1").await;
        let shadow = Echo::with("v2", manner).await;
        let mesh = Mesh::new(live.address, shadow.address);
        if manner == Manner::HangsAfterWindows {
            mesh.edit(
                "services.yaml",
                "version: v2\n  ports:\n    - name: pipy\n",
                "version: v2\n  ports:\n    - name: pipy\n      appProtocol: h2c\n",
            );
        }
        let control_plane = ControlPlane::start(mesh.path()).await;
        let sidecar = Sidecar::start(plane, &control_plane).await?;
        let this = Self {
            sidecar,
            control_plane,
            mesh,
            live,
            shadow,
        };
        this.warm().await;
        Some(this)
    }

    /// Waits until the live service answers and, if the shadow can answer, until copies reach it; then forgets both.
    async fn warm(&self) {
        eventually("the live service answers through the sidecar", || async {
            let answer = self.caller().await.call("GET", URL, b"").await.ok()?;
            (answer.status() == 200).then_some(())
        })
        .await;
        self.shadow.settled().await;
        self.live.forget();
        self.shadow.forget();
    }

    /// A new connection to the sidecar.
    pub(crate) async fn caller(&self) -> Caller {
        Caller::connect(self.sidecar.proxy).await
    }

    /// No sidecar has rejected anything.
    pub(crate) fn assert_no_nack(&self) {
        let log = self.control_plane.log();
        assert!(!log.contains("MP503"), "a NACK:\n{log}");
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sidecar.plane.fmt(f)
    }
}
