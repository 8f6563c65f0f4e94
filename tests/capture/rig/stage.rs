//! Everything started: a Pod with its sidecar, a control plane, and the services.

use std::fs;
use std::fs::File;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use mirrorplane::sidecar::{Bootstrap, Delivery, ENVOY_FLAGS, IpFamilies};
use tempfile::TempDir;

use super::caller::ask;
use super::network::{NODE, Network, POD};
use super::server::Server;
use super::{envoy, eventually};

pub(crate) const MIRRORPLANE: &str = env!("CARGO_BIN_EXE_mirrorplane");
/// The user of the sidecar.
const SIDECAR: u32 = 1500;

/// The services and who calls them; nothing is mirrored.
const MESH: &str = include_str!("mesh.yaml");
/// What is mirrored: `live` and `headless`, to `shadow`.
const MIRROR: &str = include_str!("mirror.yaml");
/// Requests to `other` are mirrored to the Pod itself, which is to be in quarantine.
const QUARANTINE: &str = include_str!("quarantine.yaml");
/// What is asked for to see whether it is.
const PROBE: &str = "DELETE /warm-up HTTP/1.1\r\nhost: x\r\n\r\n";

/// A running Pod and its cluster.
#[derive(Debug)]
pub(crate) struct Stage {
    // Dropped in this order: the processes before the namespaces that they run in.
    sidecar: Child,
    control_plane: Option<Child>,
    pub(crate) network: Network,
    pub(crate) server: Server,
    folder: TempDir,
}

impl Stage {
    /// Everything works, and is mirrored. `None` if it cannot be started here.
    pub(crate) fn mirrored() -> Option<Self> {
        let stage = Self::new(true)?;
        stage.mirror();
        Some(stage)
    }

    /// Everything works, and the Pod is in quarantine as of its start.
    pub(crate) fn held(strictness: &str) -> Option<Self> {
        let rule = QUARANTINE.replace("STRICTNESS", strictness);
        Self::with(true, &[("quarantine.yaml", &rule)])
    }

    /// Everything works, and nothing is mirrored; without a control plane, if that is asked for.
    pub(crate) fn new(has_control_plane: bool) -> Option<Self> {
        Self::with(has_control_plane, &[])
    }

    /// The same, with these files of objects.
    fn with(has_control_plane: bool, files: &[(&str, &str)]) -> Option<Self> {
        let binary = envoy()?;
        let network = Network::new()?;
        let server = Server::start(&network.cluster);
        let folder = tempfile::tempdir().unwrap();
        // The sidecar's user has to get in.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let mesh = folder.path().join("mesh");
        fs::create_dir(&mesh).unwrap();
        fs::write(mesh.join("mesh.yaml"), MESH).unwrap();
        for (name, text) in files {
            fs::write(mesh.join(name), text).unwrap();
        }
        let log = |name: &str| File::create(folder.path().join(name)).unwrap();
        let listen = format!("{NODE}:15128");
        let control_plane = has_control_plane.then(|| {
            let mut command = Command::new(MIRRORPLANE);
            command.args(["serve", "--capture", "transparent", "--admin", "off"]);
            command.args(["--insecure-plaintext", "--listen", &listen, "--config-dir"]);
            command
                .arg(&mesh)
                .stdin(Stdio::null())
                .stdout(Stdio::null());
            command.stderr(log("control-plane.log"));
            network.cluster.inside(|| command.spawn().unwrap())
        });
        network
            .pod
            .must(MIRRORPLANE, &["redirect", "--ip-families", "dual"]);
        let bootstrap = Bootstrap {
            node_id: "curl/curl".to_owned(),
            node_cluster: "test".to_owned(),
            control_plane: listen.parse().unwrap(),
            delivery: Delivery::Delta,
            tls: None,
            token: None,
            admin: Some("127.0.0.1:15000".parse().unwrap()),
            transparent: Some(IpFamilies::Dual),
        };
        let config = folder.path().join("bootstrap.json");
        fs::write(&config, bootstrap.to_json().to_string()).unwrap();
        let mut command = Command::new(within_reach(&binary, folder.path()));
        command.args([
            "--disable-hot-restart",
            "--concurrency",
            "2",
            "-l",
            "warning",
            "-c",
        ]);
        command.arg(&config).args(ENVOY_FLAGS);
        command.uid(SIDECAR).gid(SIDECAR);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log("envoy.log"));
        let sidecar = network.pod.inside(|| command.spawn().unwrap());
        let this = Self {
            sidecar,
            control_plane,
            network,
            server,
            folder,
        };
        // As the kubelet does.
        eventually("the sidecar is ready", || {
            let mut probe = this.network.cluster.connect(&format!("{POD}:15021")).ok()?;
            let answer = ask(&mut probe, "GET /ready HTTP/1.1\r\nhost: probe\r\n\r\n").ok()?;
            answer.starts_with("HTTP/1.1 200").then_some(())
        });
        Some(this)
    }

    /// Adds the mirrors, and waits until they work.
    pub(crate) fn mirror(&self) {
        self.write("mirror.yaml", MIRROR);
        eventually("requests are copied", || {
            self.get("10.96.0.10:8080", "live", "/warm-up");
            let copies = self.server.of_path("10.0.0.2", "/warm-up");
            (!copies.is_empty()).then_some(())
        });
    }

    /// Replaces a text in the mirrors' configuration, which must be there.
    pub(crate) fn edit(&self, from: &str, to: &str) {
        let text = fs::read_to_string(self.folder.path().join("mesh/mirror.yaml")).unwrap();
        assert!(text.contains(from), "no `{from}` in {text}");
        self.write("mirror.yaml", &text.replace(from, to));
    }

    /// Adds keys to the mirrors' configuration.
    pub(crate) fn say(&self, terms: &str) {
        let port = "port: 8080, ";
        self.edit(port, &format!("{port}{terms}, "));
    }

    /// Takes the mirrors away, and waits until nothing is left of them.
    pub(crate) fn unmirror(&self) {
        fs::remove_file(self.folder.path().join("mesh/mirror.yaml")).unwrap();
        eventually("the listeners are gone", || {
            (!self.admin("/listeners").contains("10.96.0.10")).then_some(())
        });
    }

    /// Puts the Pod into quarantine, and waits until it is.
    pub(crate) fn quarantine(&self, strictness: &str) {
        let rule = QUARANTINE.replace("STRICTNESS", strictness);
        self.write("quarantine.yaml", &rule);
        eventually("the Pod is in quarantine", || {
            let mut stream = self.network.pod.connect("10.96.0.10:8080").ok()?;
            let answer = ask(&mut stream, PROBE).ok()?;
            answer.starts_with("HTTP/1.1 403").then_some(())
        });
    }

    /// Ends it, and waits until that is done.
    pub(crate) fn release(&self) {
        fs::remove_file(self.folder.path().join("mesh/quarantine.yaml")).unwrap();
        eventually("the listeners are gone", || {
            (!self.admin("/listeners").contains("0.0.0.0:8080")).then_some(())
        });
    }

    /// Writes a file of objects as an editor does: beside it, then renamed into place.
    fn write(&self, name: &str, text: &str) {
        let beside = self.folder.path().join(name);
        fs::write(&beside, text).unwrap();
        fs::rename(beside, self.folder.path().join("mesh").join(name)).unwrap();
    }

    /// A GET by the application, on a connection of its own: the answer.
    pub(crate) fn get(&self, to: &str, host: &str, path: &str) -> String {
        let mut stream = self.network.pod.connect(to).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n");
        ask(&mut stream, &request).unwrap()
    }

    /// A page of the sidecar's administration.
    pub(crate) fn admin(&self, page: &str) -> String {
        let url = format!("http://127.0.0.1:15000{page}");
        self.network.pod.must("curl", &["--silent", "--fail", &url])
    }

    /// What the control plane has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("control-plane.log")).unwrap_or_default()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for child in [Some(&mut self.sidecar), self.control_plane.as_mut()]
            .into_iter()
            .flatten()
        {
            child.kill().ok();
            child.wait().ok();
        }
        if std::thread::panicking() {
            let log = fs::read_to_string(self.folder.path().join("envoy.log"));
            eprintln!("--- log of Envoy\n{}", log.unwrap_or_default());
            eprintln!("--- log of the control plane\n{}", self.log());
        }
    }
}

/// The binary where another user can run it: the user's cache is often closed to others.
fn within_reach(binary: &Path, folder: &Path) -> std::path::PathBuf {
    let here = folder.join("envoy");
    if fs::hard_link(binary, &here).is_err() {
        fs::copy(binary, &here).unwrap();
    }
    here
}
