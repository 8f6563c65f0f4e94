//! `mirrorplane serve` as a process, and what it tells operators.

use std::fs::File;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::json;
use tempfile::TempDir;

use crate::rig::{Cluster, eventually};

/// A control plane; dropping it kills it.
#[derive(Debug)]
pub(crate) struct Serve {
    /// Where sidecars connect.
    pub(crate) address: String,
    admin: String,
    logs: TempDir,
    child: Child,
}

impl Serve {
    /// Starts it with access to the cluster, with these flags, and waits until it listens.
    pub(crate) async fn start<S: AsRef<str>>(cluster: &Cluster, flags: &[S]) -> Self {
        Self::start_at(cluster, "127.0.0.1:0", flags).await
    }

    /// The same, at this address.
    pub(crate) async fn start_at<S: AsRef<str>>(
        cluster: &Cluster,
        listen: &str,
        flags: &[S],
    ) -> Self {
        let logs = tempfile::tempdir().unwrap();
        let log = File::create(logs.path().join("log")).unwrap();
        // An Envoy of another test may have the usual one.
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let free = free.local_addr().unwrap().to_string();
        let child = Command::new(env!("CARGO_BIN_EXE_mirrorplane"))
            .args(["serve", "--listen", listen, "--admin", "127.0.0.1:0"])
            .args(["--sidecar-listen", &free])
            .args(flags.iter().map(AsRef::as_ref))
            .env("KUBECONFIG", cluster.kubeconfig())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut this = Self {
            address: String::new(),
            admin: String::new(),
            logs,
            child,
        };
        this.address = this.said_address("serving address=").await;
        this.admin = this.said_address("metrics and nodes address=").await;
        this
    }

    /// The address that stands after this in the log.
    pub(crate) async fn said_address(&self, before: &str) -> String {
        eventually(format!("`{before}` in the log"), async || {
            let log = self.log();
            let (_, rest) = log.split_once(before)?;
            let (address, _) = rest.split_once([' ', '\n'])?;
            Some(address.to_owned())
        })
        .await
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.logs.path().join("log")).unwrap()
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) async fn stop(&mut self) {
        let id = self.child.id().to_string();
        let asked = Command::new("kill").arg(id).status().unwrap();
        assert!(asked.success());
        let status = eventually("it has stopped", async || self.child.try_wait().unwrap()).await;
        assert!(status.success(), "{status}");
    }

    /// Kills it without warning.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Status and text of a page for operators; `None` if nobody answers.
    pub(crate) async fn page(&self, path: &str) -> Option<(u16, String)> {
        let client: Client<_, Empty<bytes::Bytes>> =
            Client::builder(TokioExecutor::new()).build_http();
        let url = format!("http://{}{path}", self.admin);
        let answer = client.get(url.parse().unwrap()).await.ok()?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.ok()?.to_bytes();
        Some((status, String::from_utf8(body.to_vec()).unwrap()))
    }

    /// The value of a metric, as in `xds_refusals_total{reason="crowded"}`.
    pub(crate) async fn metric(&self, name: &str) -> u64 {
        let found = self.find_metric(name).await;
        found.unwrap_or_else(|| panic!("no metric {name}"))
    }

    /// The same; `None` while it starts, and has not got all of them.
    pub(crate) async fn find_metric(&self, name: &str) -> Option<u64> {
        let (_, text) = self.page("/metrics").await.unwrap();
        let wanted = format!("mirrorplane_{name} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&wanted))?;
        Some(line.parse().unwrap())
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        if std::thread::panicking() {
            eprintln!("--- log of the control plane\n{}", self.log());
        }
    }
}

/// Fills a folder with the example's mirror, and with Pods of this namespace that it is for.
pub(crate) fn mesh(folder: &Path, namespace: &str, pods: &[&str]) {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/examples/traffic-mirror");
    for file in ["mirror.yaml", "endpoints.yaml", "services.yaml"] {
        std::fs::copy(example.join(file), folder.join(file)).unwrap();
    }
    let labels = json!({ "openservicemesh.io/monitored-by": "osm" });
    let mut callers = vec![json!({ "apiVersion": "v1", "kind": "Namespace",
        "metadata": { "name": namespace, "labels": labels } })];
    callers.extend(pods.iter().map(|pod| {
        json!({ "apiVersion": "v1", "kind": "Pod", "metadata": {
            "name": pod, "namespace": namespace, "labels": { "app": "curl" } } })
    }));
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": callers });
    std::fs::write(folder.join("callers.json"), list.to_string()).unwrap();
}
