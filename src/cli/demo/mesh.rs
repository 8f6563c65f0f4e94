//! The demo's folder of objects: the files of `deploy/examples/traffic-mirror`, with the addresses of this run.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use tempfile::TempDir;

use crate::model::Fraction;

const SERVICES: &str = include_str!("../../../deploy/examples/traffic-mirror/services.yaml");
const ENDPOINTS: &str = include_str!("../../../deploy/examples/traffic-mirror/endpoints.yaml");
const MIRROR: &str = include_str!("../../../deploy/examples/traffic-mirror/mirror.yaml");

/// A folder that goes away with the demo.
#[derive(Debug)]
pub(super) struct Mesh {
    folder: TempDir,
}

impl Mesh {
    /// Writes the folder; everything is mirrored.
    pub(super) fn write(live: SocketAddr, shadow: SocketAddr) -> anyhow::Result<Self> {
        let mesh = Self {
            folder: tempfile::Builder::new()
                .prefix("mirrorplane-demo-")
                .tempdir()?,
        };
        let endpoints = ENDPOINTS
            .replace("port: 8081", &format!("port: {}", live.port()))
            .replace("port: 8082", &format!("port: {}", shadow.port()));
        fs::write(mesh.path().join("services.yaml"), SERVICES)?;
        fs::write(mesh.path().join("endpoints.yaml"), endpoints)?;
        mesh.mirror(Fraction::ONE)?;
        Ok(mesh)
    }

    /// Edits the share, as a user would: `percentage.value` in mirror.yaml.
    pub(super) fn mirror(&self, share: Fraction) -> anyhow::Result<()> {
        let value = f64::from(share.millionths()) / f64::from(Fraction::ONE.millionths());
        let text = MIRROR.replace("value: 1.0", &format!("value: {value}"));
        Ok(fs::write(self.path().join("mirror.yaml"), text)?)
    }

    /// The folder.
    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}
