//! A folder of objects: the example that the README uses, with the addresses of the test.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

const EXAMPLE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/deploy/examples/traffic-mirror"
);

/// Another plugin than the example's, which the same callers have.
pub(crate) const SECOND: &str = r#"---
apiVersion: plugin.flomesh.io/v1alpha1
kind: Plugin
metadata: { name: second, annotations: { mirrorplane.io/plugin: traffic-mirror } }
spec: { priority: 1, pipyscript: placeholder }
---
apiVersion: plugin.flomesh.io/v1alpha1
kind: PluginChain
metadata: { name: second, namespace: pipy }
spec:
  chains: [{ name: outbound-http, plugins: [second] }]
  selectors:
    podSelector: { matchLabels: { app: curl } }
    namespaceSelector: { matchExpressions: [{ key: openservicemesh.io/monitored-by, operator: In, values: [osm] }] }
"#;

/// The folder; it goes away with the test.
#[derive(Debug)]
pub(crate) struct Mesh {
    folder: TempDir,
}

impl Mesh {
    /// The example, with its two services at these addresses and everything mirrored.
    pub(crate) fn new(live: SocketAddr, shadow: SocketAddr) -> Self {
        let mesh = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        for file in ["services.yaml", "endpoints.yaml", "mirror.yaml"] {
            mesh.write(
                file,
                &fs::read_to_string(Path::new(EXAMPLE).join(file)).unwrap(),
            );
        }
        mesh.edit(
            "endpoints.yaml",
            "port: 8081",
            &format!("port: {}", live.port()),
        );
        mesh.edit(
            "endpoints.yaml",
            "port: 8082",
            &format!("port: {}", shadow.port()),
        );
        mesh
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap()
    }

    /// Writes a file as an editor does: beside it, then renamed into place.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let beside = self.file(&format!(".{name}.swp"));
        fs::write(&beside, text).unwrap();
        fs::rename(beside, self.file(name)).unwrap();
    }

    /// Replaces a text that must be there.
    pub(crate) fn edit(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert!(text.contains(from), "{name} has no `{from}`");
        self.write(name, &text.replace(from, to));
    }

    /// Sets `percentage.value`, whatever it was.
    pub(crate) fn share(&self, value: &str) {
        let text = self.read("mirror.yaml");
        let (head, _) = text.rsplit_once("value:").expect("the example has a share");
        self.write("mirror.yaml", &format!("{head}value: {value}\n"));
    }
}
