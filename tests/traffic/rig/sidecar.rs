//! The two data planes, each in both variants of the protocol.

use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};

use mirrorplane::sidecar::{Bootstrap, ControlPlane as Address, Credential, Delivery, Tls};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpStream;

use super::control_plane::ControlPlane;
use super::{envoy, eventually, free_address};

/// Which data plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Envoy,
    Shim,
}

/// A data plane and a variant of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plane {
    pub(crate) kind: Kind,
    pub(crate) delta: bool,
}

impl Plane {
    pub(crate) const ALL: [Self; 4] = [
        Self {
            kind: Kind::Shim,
            delta: false,
        },
        Self {
            kind: Kind::Shim,
            delta: true,
        },
        Self {
            kind: Kind::Envoy,
            delta: false,
        },
        Self {
            kind: Kind::Envoy,
            delta: true,
        },
    ];
}

impl fmt::Display for Plane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} over {}",
            self.kind,
            if self.delta {
                "delta"
            } else {
                "state of the world"
            }
        )
    }
}

/// A running sidecar; dropping it kills it.
#[derive(Debug)]
pub(crate) struct Sidecar {
    pub(crate) plane: Plane,
    pub(crate) proxy: SocketAddr,
    admin: SocketAddr,
    folder: TempDir,
    child: Child,
}

impl Sidecar {
    /// Starts a sidecar of `curl/curl` and waits until it serves; `None` if there is no Envoy to start.
    pub(crate) async fn start(plane: Plane, control_plane: &ControlPlane) -> Option<Self> {
        Self::start_as(plane, control_plane, "curl/curl").await
    }

    /// Starts a sidecar of this node.
    pub(crate) async fn start_as(
        plane: Plane,
        control_plane: &ControlPlane,
        node: &str,
    ) -> Option<Self> {
        let this = Self::launch(plane, control_plane, node, None, None)?;
        this.serves().await;
        Some(this)
    }

    /// Starts a sidecar that connects securely, and does not wait for anything.
    pub(crate) fn launch(
        plane: Plane,
        control_plane: &ControlPlane,
        node: &str,
        tls: Option<Tls>,
        token: Option<Credential>,
    ) -> Option<Self> {
        let (address, proxy) = (control_plane.address, control_plane.proxy);
        Self::launch_at(plane, address, proxy, node, tls, token)
    }

    /// The same, with a control plane at any address, which tells the sidecar to listen on `proxy`.
    pub(crate) fn launch_at(
        plane: Plane,
        control_plane: SocketAddr,
        proxy: SocketAddr,
        node: &str,
        tls: Option<Tls>,
        token: Option<Credential>,
    ) -> Option<Self> {
        let admin = free_address();
        let bootstrap = Bootstrap {
            node_id: node.to_owned(),
            node_cluster: "test".to_owned(),
            control_plane: Address::Address(control_plane),
            delivery: if plane.delta {
                Delivery::Delta
            } else {
                Delivery::StateOfTheWorld
            },
            tls,
            token,
            admin: (plane.kind == Kind::Envoy).then_some(admin),
            transparent: None,
        };
        Self::spawn(plane, proxy, admin, &bootstrap.to_json())
    }

    /// Starts a sidecar with this bootstrap, which says that it listens there, and does not wait for anything.
    pub(crate) fn spawn(
        plane: Plane,
        proxy: SocketAddr,
        admin: SocketAddr,
        bootstrap: &Value,
    ) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("bootstrap.json");
        fs::write(&config, bootstrap.to_string()).unwrap();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let mut command = match plane.kind {
            Kind::Shim => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_mirrorplane"));
                command.args(["shim", "--bootstrap"]).arg(&config);
                command
            }
            Kind::Envoy => {
                let mut command = Command::new(envoy()?);
                command.arg("-c").arg(&config);
                command.args([
                    "--disable-hot-restart",
                    "--concurrency",
                    "2",
                    "-l",
                    "warning",
                ]);
                command
            }
        };
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Some(Self {
            plane,
            proxy,
            admin,
            folder,
            child,
        })
    }

    /// Waits until it has its configuration.
    pub(crate) async fn serves(&self) {
        eventually(format_args!("{} serves", self.plane), || async {
            TcpStream::connect(self.proxy).await.ok()
        })
        .await;
    }

    /// The value of an Envoy counter or gauge.
    pub(crate) async fn stat(&self, name: &str) -> u64 {
        let text = self.admin("stats").await;
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")?.parse().ok())
            .unwrap_or_else(|| panic!("Envoy has no statistic {name}"))
    }

    /// The value of a counter or gauge of one of Envoy's clusters.
    pub(crate) async fn stat_of(&self, cluster: &str, name: &str) -> u64 {
        self.stat(&format!("cluster.{cluster}.{name}")).await
    }

    /// How often an Envoy was given listeners, clusters and routes. A change of shares gives it none of them. The shim does not
    /// count; of it, `None`.
    pub(crate) async fn structure(&self) -> Option<[u64; 3]> {
        if self.plane.kind != Kind::Envoy {
            return None;
        }
        Some([
            self.stat("listener_manager.lds.update_success").await,
            self.stat("cluster_manager.cds.update_success").await,
            self.stat("http.outbound.rds.outbound.update_success").await,
        ])
    }

    /// The sum of all Envoy counters whose name ends so.
    pub(crate) async fn stats_ending(&self, suffix: &str) -> u64 {
        let text = self.admin("stats").await;
        text.lines()
            .filter_map(|line| line.split_once(": "))
            .filter(|(name, _)| name.ends_with(suffix))
            .filter_map(|(_, value)| value.parse::<u64>().ok())
            .sum()
    }

    /// Where Envoy's admin interface is.
    pub(crate) fn address(&self) -> SocketAddr {
        self.admin
    }

    /// A page of Envoy's admin interface.
    pub(crate) async fn admin(&self, page: &str) -> String {
        super::caller::get(self.admin, &format!("/{page}")).await
    }

    /// How it ended, if it has.
    pub(crate) fn end(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        if std::thread::panicking() {
            eprintln!("--- log of {}\n{}", self.plane, self.log());
        }
    }
}
