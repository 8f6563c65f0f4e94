//! `mirrorplane serve` in a process of its own, and its log.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::timeout;

use crate::plane::DEADLINE;

/// A running control plane; dropping it kills it.
pub(crate) struct Serve {
    child: Child,
    pub(crate) ads: SocketAddr,
    pub(crate) admin: SocketAddr,
    log: BufReader<ChildStderr>,
}

impl Serve {
    /// Starts it on free ports.
    pub(crate) async fn start(folder: &Path, filter: &str) -> Self {
        Self::with(folder, filter, &[]).await
    }

    /// Likewise, with more flags.
    pub(crate) async fn with(folder: &Path, filter: &str, flags: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_mirrorplane"))
            .args(["serve", "--log-format", "json", "--log", filter])
            .args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .arg("--config-dir")
            .arg(folder)
            .args(flags)
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let admin = next_event(&mut log, "message", "metrics and nodes").await;
        let serving = next_event(&mut log, "message", "serving").await;
        let address = |event: Value| event["fields"]["address"].as_str().unwrap().parse();
        Self {
            child,
            ads: address(serving).unwrap(),
            admin: address(admin).unwrap(),
            log,
        }
    }

    /// Bytes of memory that it takes.
    pub(crate) fn memory(&self) -> u64 {
        let process = self.child.id().expect("it runs");
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let mut lines = status.lines();
        let resident = lines.find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let kilobytes = resident.trim().trim_end_matches(" kB");
        kilobytes.parse::<u64>().unwrap() * 1024
    }

    /// Waits for an event of the log.
    pub(crate) async fn event(&mut self, message: &str) -> Value {
        next_event(&mut self.log, "message", message).await
    }

    /// Waits for an event with a code.
    pub(crate) async fn coded(&mut self, code: &str) -> Value {
        next_event(&mut self.log, "code", code).await
    }
}

/// The next event with this text in a field.
async fn next_event(log: &mut BufReader<ChildStderr>, field: &str, text: &str) -> Value {
    let search = async {
        loop {
            let mut line = String::new();
            assert!(log.read_line(&mut line).await.unwrap() > 0, "it runs");
            let event: Value = serde_json::from_str(&line).unwrap();
            if event["fields"][field] == text {
                return event;
            }
        }
    };
    let found = timeout(DEADLINE, search).await;
    found.unwrap_or_else(|_| panic!("the log has `{field}: {text}` in time"))
}
