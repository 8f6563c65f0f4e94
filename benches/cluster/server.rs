//! The control plane as a process.

use std::fs;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::Empty;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::process::Child;
use tokio::process::Command;
use tokio::time::Instant;
use tokio::time::sleep;

use super::rig::Cluster;

/// How long it may take to become ready.
const PATIENCE: Duration = Duration::from_secs(120);

/// Ticks per second in `/proc`: the same on every Linux.
const TICKS: f64 = 100.0;

/// A running control plane.
pub(crate) struct Server {
    child: Child,
    admin: SocketAddr,
    pub(crate) ready_after: Duration,
}

/// What was loaded so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Built {
    pub(crate) loads: f64,
    pub(crate) seconds: f64,
}

impl Server {
    /// Starts it, and waits until it is ready.
    pub(crate) async fn start(cluster: &Cluster) -> anyhow::Result<Self> {
        let admin = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let started = Instant::now();
        let child = Command::new(env!("CARGO_BIN_EXE_mirrorplane"))
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--log",
                "warn",
                "--kubeconfig",
            ])
            .arg(cluster.kubeconfig())
            .args(["--admin", &admin.to_string()])
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let mut server = Self {
            child,
            admin,
            ready_after: Duration::ZERO,
        };
        while !server.get("/readyz").await.is_ok_and(|body| body == "ok\n") {
            anyhow::ensure!(started.elapsed() < PATIENCE, "not ready after {PATIENCE:?}");
            sleep(Duration::from_millis(20)).await;
        }
        server.ready_after = started.elapsed();
        Ok(server)
    }

    async fn get(&self, path: &str) -> anyhow::Result<String> {
        let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let uri = format!("http://{}{path}", self.admin).parse()?;
        let body = client.get(uri).await?.into_body().collect().await?;
        Ok(String::from_utf8_lossy(&body.to_bytes()).into_owned())
    }

    /// How often it made what it serves, and how long that took in all.
    pub(crate) async fn built(&self) -> anyhow::Result<Built> {
        let metrics = self.get("/metrics").await?;
        let value = |name: &str| {
            let mut lines = metrics.lines().filter_map(|line| line.split_once(' '));
            let found = lines.find(|(found, _)| *found == name);
            found
                .context(name.to_owned())?
                .1
                .parse::<f64>()
                .context("a number")
        };
        Ok(Built {
            loads: value("mirrorplane_config_build_duration_seconds_count")?,
            seconds: value("mirrorplane_config_build_duration_seconds_sum")?,
        })
    }

    fn proc(&self, file: &str) -> anyhow::Result<String> {
        let id = self.child.id().context("the control plane ended")?;
        Ok(fs::read_to_string(format!("/proc/{id}/{file}"))?)
    }

    /// CPU seconds used so far, user and system, in steps of 10 ms.
    pub(crate) fn cpu(&self) -> anyhow::Result<f64> {
        let stat = self.proc("stat")?;
        // The name in parentheses may hold blanks; utime and stime are the 12th and 13th field after it.
        let fields = stat.rsplit(')').next().unwrap_or_default();
        let ticks = fields.split_whitespace().skip(11).take(2);
        let ticks: f64 = ticks.filter_map(|tick| tick.parse::<f64>().ok()).sum();
        Ok(ticks / TICKS)
    }

    /// Memory in MiB, by its name in `/proc/PID/status`.
    pub(crate) fn memory(&self, key: &str) -> anyhow::Result<f64> {
        let status = self.proc("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
        let kilobytes: f64 = kilobytes.context("no such line")?.trim().parse()?;
        Ok(kilobytes / 1024.0)
    }
}
