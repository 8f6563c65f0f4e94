//! The real Envoy.

use std::env;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The binary. Without one the test cannot run: it says so, and fails where that would go unnoticed.
pub(crate) fn binary() -> Option<PathBuf> {
    let path = env::var_os("MIRRORPLANE_ENVOY").map(PathBuf::from);
    if path.is_none() {
        eprintln!("skipped: set MIRRORPLANE_ENVOY to the path of an Envoy binary");
        assert!(
            env::var_os("CI").is_none(),
            "MIRRORPLANE_ENVOY is not set, and in CI nothing is skipped"
        );
    }
    path
}

/// What Envoy says against a configuration.
pub(crate) fn validate(envoy: &Path, config: &Value) -> Result<(), String> {
    let mut file = tempfile::Builder::new().suffix(".json").tempfile().unwrap();
    file.write_all(config.to_string().as_bytes()).unwrap();
    let output = Command::new(envoy)
        .args(["--mode", "validate", "--log-level", "warning", "-c"])
        .arg(file.path())
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}", envoy.display()));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        return Err(said);
    }
    // A field that is deprecated or unfinished is accepted with a warning.
    match said
        .lines()
        .find(|line| line.contains("deprecated") || line.contains("work-in-progress"))
    {
        Some(warning) => Err(warning.to_owned()),
        None => Ok(()),
    }
}
