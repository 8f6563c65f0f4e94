//! `client.py`, at the other end of a pipe.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;

use serde::Deserialize;
use tempfile::TempDir;
use tokio::io::AsyncBufReadExt;
use tokio::io::AsyncWriteExt;
use tokio::io::BufReader;
use tokio::io::Lines;
use tokio::process::Child;
use tokio::process::ChildStdin;
use tokio::process::ChildStdout;
use tokio::process::Command;
use tokio::time::Instant;
use tokio::time::timeout;

use crate::DEADLINE;
use crate::NODE;

/// How many calls in a row show where calls go.
const ENOUGH: u32 = 30;

/// A Python with grpcio. Without one these tests cannot run: in CI that is a failure, elsewhere it is said loudly.
pub(crate) fn python() -> Option<PathBuf> {
    match std::env::var_os("MIRRORPLANE_GRPC_PYTHON") {
        Some(path) => Some(PathBuf::from(path)),
        None if std::env::var_os("CI").is_some() => {
            panic!("MIRRORPLANE_GRPC_PYTHON is not set: run tests/run")
        }
        None => {
            eprintln!(
                "SKIPPED: set MIRRORPLANE_GRPC_PYTHON to a Python with grpcio, or run tests/run"
            );
            None
        }
    }
}

/// How calls went.
#[derive(Debug, Deserialize)]
pub(crate) struct Calls {
    /// How many were answered, by service.
    answered: BTreeMap<String, u32>,
    /// What was said of the others.
    pub(crate) failed: Vec<String>,
}

impl Calls {
    /// How many were answered.
    pub(crate) fn total(&self) -> u32 {
        self.answered.values().sum()
    }

    /// The part of the answered calls that a service answered.
    pub(crate) fn share(&self, service: &str) -> f64 {
        f64::from(self.answered.get(service).copied().unwrap_or_default()) / f64::from(self.total())
    }

    /// The services that answered.
    fn services(&self) -> String {
        self.answered.keys().map(String::as_str).collect()
    }

    /// None of them failed.
    pub(crate) fn all_answered(&self) {
        assert_eq!(self.failed, [""; 0], "no call fails");
    }
}

/// The client, with three services for it to call.
#[derive(Debug)]
pub(crate) struct Client {
    /// Where the services `a`, `b` and `c` listen.
    pub(crate) services: [SocketAddr; 3],
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    // Killed when dropped, and its bootstrap with it.
    _child: Child,
    _folder: TempDir,
}

impl Client {
    /// Starts it, to be configured from an address.
    pub(crate) async fn start(python: PathBuf, control_plane: SocketAddr) -> Self {
        let bootstrap = serde_json::json!({
            "xds_servers": [{
                "server_uri": control_plane.to_string(),
                "channel_creds": [{ "type": "insecure" }],
                "server_features": ["xds_v3"],
            }],
            "node": { "id": NODE },
        });
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bootstrap.json");
        std::fs::write(&file, bootstrap.to_string()).unwrap();
        let mut child = Command::new(python)
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/grpc_xds/client.py"
            ))
            .env("GRPC_XDS_BOOTSTRAP", &file)
            .env_remove("GRPC_XDS_BOOTSTRAP_CONFIG")
            // Each failed call says why; the log repeats the failures that are wanted.
            .env("GRPC_VERBOSITY", "NONE")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let orders = child.stdin.take().unwrap();
        let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = timeout(DEADLINE, answers.next_line()).await.unwrap();
        let first = first.unwrap().expect("the client runs");
        Self {
            services: serde_json::from_str(&first).unwrap(),
            orders,
            answers,
            _child: child,
            _folder: folder,
        }
    }

    async fn order(&mut self, order: &str) {
        let line = format!("{order}\n");
        self.orders.write_all(line.as_bytes()).await.unwrap();
    }

    async fn calls(&mut self) -> Calls {
        let line = timeout(DEADLINE, self.answers.next_line()).await;
        let line = line.expect("in time").unwrap().expect("the client runs");
        serde_json::from_str(&line).unwrap()
    }

    /// Makes calls, one after the other.
    pub(crate) async fn call(&mut self, count: u32) -> Calls {
        self.order(&format!("call {count}")).await;
        self.calls().await
    }

    /// Makes calls beside the others from now on.
    pub(crate) async fn start_calling(&mut self) {
        self.order("start").await;
    }

    /// Ends that. There were calls, and none of them failed.
    pub(crate) async fn stop_calling(&mut self) {
        self.order("stop").await;
        let meanwhile = self.calls().await;
        meanwhile.all_answered();
        assert!(meanwhile.total() > 0);
    }

    /// Calls until it is these services that answer, such as `ab`. No call fails meanwhile.
    pub(crate) async fn reaches(&mut self, services: &str) {
        self.until(services, |calls| {
            calls.all_answered();
            calls.services() == services
        })
        .await;
    }

    /// Calls until none is answered; why the last one was not.
    pub(crate) async fn reaches_nobody(&mut self) -> String {
        let calls = self.until("nobody", |calls| calls.total() == 0).await;
        calls.failed.last().expect("calls were made").clone()
    }

    /// Calls until all are answered by this service. Calls may fail meanwhile.
    pub(crate) async fn reaches_again(&mut self, service: &str) {
        self.until(service, |calls| {
            calls.failed.is_empty() && calls.services() == service
        })
        .await;
    }

    async fn until(&mut self, what: &str, mut holds: impl FnMut(&Calls) -> bool) -> Calls {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let calls = self.call(ENOUGH).await;
            if holds(&calls) {
                return calls;
            }
            assert!(Instant::now() < deadline, "{what}: still {calls:?}");
        }
    }
}
