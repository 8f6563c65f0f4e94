//! The rig: namespaces, a server that remembers, and everything started.

pub(crate) mod caller;
pub(crate) mod network;
pub(crate) mod server;
pub(crate) mod stage;

use std::fmt::Display;
use std::path::PathBuf;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use tokio::time::Instant;

/// How long anything may take before a test gives up.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// Waits until the condition yields a value.
pub(crate) fn eventually<T>(what: impl Display, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(
            Instant::now() < deadline,
            "still not after {DEADLINE:?}: {what}"
        );
        sleep(Duration::from_millis(20));
    }
}

/// Whether namespaces can be made here.
pub(crate) fn can_make_networks() -> bool {
    let is_root = std::fs::read_to_string("/proc/self/status")
        .unwrap()
        .lines()
        .any(|line| line.starts_with("Uid:\t0\t0"));
    let missing = ["ip", "nft", "iptables", "ip6tables"]
        .into_iter()
        .find(|tool| Command::new(tool).arg("-V").output().is_err());
    match (is_root, missing) {
        (true, None) => true,
        (false, _) => skipped("not root"),
        (true, Some(tool)) => skipped(&format!("`{tool}` is not installed")),
    }
}

/// The real Envoy.
pub(crate) fn envoy() -> Option<PathBuf> {
    let path = std::env::var_os("MIRRORPLANE_ENVOY").map(PathBuf::from);
    if path.is_none() {
        skipped("MIRRORPLANE_ENVOY is not set");
    }
    path
}

fn skipped(reason: &str) -> bool {
    assert!(
        std::env::var_os("CI").is_none(),
        "{reason}, and in CI nothing is skipped: see tests/run"
    );
    eprintln!("SKIPPED: {reason}; see tests/run");
    false
}
