//! The control plane as a process, so that it can be killed.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use tokio::net::TcpStream;

use super::{eventually, free_address};

/// `mirrorplane serve`; dropping it kills it.
#[derive(Debug)]
pub(crate) struct ControlPlane {
    pub(crate) address: SocketAddr,
    pub(crate) proxy: SocketAddr,
    folder: PathBuf,
    flags: Vec<String>,
    logs: TempDir,
    child: Child,
}

impl ControlPlane {
    /// Serves a folder. Sidecars are told to listen on `proxy`.
    pub(crate) async fn start(folder: &Path) -> Self {
        Self::with(folder, Vec::new()).await
    }

    /// Likewise, with more flags.
    pub(crate) async fn with(folder: &Path, flags: Vec<String>) -> Self {
        let (address, proxy) = (free_address(), free_address());
        let logs = tempfile::tempdir().unwrap();
        let child = spawn(folder, address, proxy, &flags, logs.path());
        let this = Self {
            address,
            proxy,
            folder: folder.to_owned(),
            flags,
            logs,
            child,
        };
        this.listening().await;
        this
    }

    /// Kills it without warning.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again, at the same address.
    pub(crate) async fn restart(&mut self) {
        self.child = spawn(
            &self.folder,
            self.address,
            self.proxy,
            &self.flags,
            self.logs.path(),
        );
        self.listening().await;
    }

    /// What it has logged, over all its lives.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.logs.path().join("log")).unwrap()
    }

    /// Waits until its log has this text.
    pub(crate) async fn logged(&self, text: &str) {
        eventually(format_args!("`{text}` in the log"), || async {
            self.log().contains(text).then_some(())
        })
        .await;
    }

    async fn listening(&self) {
        eventually("the control plane listens", || async {
            TcpStream::connect(self.address).await.ok()
        })
        .await;
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        if std::thread::panicking() {
            eprintln!("--- log of the control plane\n{}", self.log());
        }
    }
}

fn spawn(
    folder: &Path,
    address: SocketAddr,
    proxy: SocketAddr,
    flags: &[String],
    logs: &Path,
) -> Child {
    let log = File::options()
        .create(true)
        .append(true)
        .open(logs.join("log"))
        .unwrap();
    Command::new(env!("CARGO_BIN_EXE_mirrorplane"))
        .arg("serve")
        .arg("--config-dir")
        .arg(folder)
        // Many of them run at the same time.
        .args(["--admin", "off"])
        .args([
            "--listen",
            &address.to_string(),
            "--sidecar-listen",
            &proxy.to_string(),
        ])
        .args(flags)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap()
}
