//! The parts of an injected Pod that are ours, run as a kubelet would.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use k8s_openapi::api::core::v1::Pod;
use serde_json::Value;
use tempfile::TempDir;

use super::Network;
use super::projected::project;
use crate::rig::Cluster;

/// Where the process of a container finds its volumes, whatever they are mounted at.
const MOUNTS: &str = "/run";

/// A Pod whose redirection is set up and whose sidecar runs; its application is whoever connects from its network.
#[derive(Debug)]
pub(crate) struct RunningPod {
    pub(crate) network: Network,
    pod: Pod,
    sidecar: Child,
    volumes: Vec<(Value, PathBuf)>,
    folder: TempDir,
}

impl RunningPod {
    /// Runs the containers that were injected into a Pod, in their order.
    pub(crate) async fn start(cluster: &Cluster, pod: Pod, network: Network, envoy: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let spec = serde_json::to_value(&pod.spec).unwrap();
        let containers = ["initContainers", "containers"]
            .into_iter()
            .flat_map(|kind| spec[kind].as_array().into_iter().flatten());
        let mut volumes = Vec::new();
        let mut sidecar = None;
        for container in containers {
            match container["name"].as_str().unwrap() {
                "mirrorplane-init" => init(&network, &pod, container),
                "mirrorplane-sidecar" => {
                    let mounts = mounts(cluster, &pod, &spec, container, folder.path()).await;
                    sidecar = Some(start(&network, &pod, container, &mounts, envoy, &folder));
                    volumes = mounts;
                }
                _ => {}
            }
        }
        Self {
            network,
            pod,
            sidecar: sidecar.expect("the Pod has a sidecar"),
            volumes,
            folder,
        }
    }

    /// Gives the sidecar a new token, as happens every hour or so.
    pub(crate) async fn rotate(&self, cluster: &Cluster) {
        for (volume, folder) in &self.volumes {
            project(cluster, &self.pod, &volume["projected"]["sources"], folder).await;
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for RunningPod {
    fn drop(&mut self) {
        self.sidecar.kill().ok();
        self.sidecar.wait().ok();
        if std::thread::panicking() {
            eprintln!("--- log of the sidecar\n{}", self.log());
        }
    }
}

/// Runs the container that sets up the redirection, to its end.
fn init(network: &Network, pod: &Pod, container: &Value) {
    let line = line(pod, container);
    let arguments = line
        .split_first()
        .filter(|(program, _)| *program == "mirrorplane")
        .map_or(&*line, |(_, arguments)| arguments);
    let output = network
        .command(env!("CARGO_BIN_EXE_mirrorplane"))
        .args(arguments)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "mirrorplane-init: {said}");
}

/// The volumes of a container, and the folders that they were put in.
async fn mounts(
    cluster: &Cluster,
    pod: &Pod,
    spec: &Value,
    container: &Value,
    folder: &Path,
) -> Vec<(Value, PathBuf)> {
    let mut mounts = Vec::new();
    for mount in container["volumeMounts"].as_array().into_iter().flatten() {
        let at = mount["mountPath"].as_str().unwrap();
        let volume = spec["volumes"].as_array().unwrap().iter();
        let volume = volume
            .filter(|volume| volume["name"] == mount["name"])
            .find(|volume| volume.get("projected").is_some());
        // The others are of the application, or of the service account itself.
        let Some(volume) = volume else { continue };
        if !at.starts_with("/var/run/secrets/mirrorplane") {
            continue;
        }
        let inside = folder.join(at.trim_start_matches("/var/run/"));
        std::fs::create_dir_all(&inside).unwrap();
        project(cluster, pod, &volume["projected"]["sources"], &inside).await;
        mounts.push((volume.clone(), inside));
    }
    mounts
}

fn start(
    network: &Network,
    pod: &Pod,
    container: &Value,
    mounts: &[(Value, PathBuf)],
    envoy: &Path,
    folder: &TempDir,
) -> Child {
    let user = container["securityContext"]["runAsUser"].as_i64();
    let user = user.expect("the sidecar has a user").to_string();
    assert_ne!(user, "0");
    let line = line(pod, container);
    let arguments = line
        .split_first()
        .filter(|(program, _)| !program.starts_with('-'))
        .map_or(&*line, |(_, arguments)| arguments);
    // `ip netns exec` has given the shell mounts of its own; another user has to be able to read what is mounted.
    open_to_all(folder.path());
    let script = format!(
        "mount -t tmpfs volumes {MOUNTS} && mkdir {MOUNTS}/secrets \
         && if [ -d \"$0/secrets\" ]; then mount --bind \"$0/secrets\" {MOUNTS}/secrets; fi \
         && user=$1 && shift \
         && exec setpriv --reuid \"$user\" --regid \"$user\" --clear-groups --no-new-privs \"$@\""
    );
    let log = File::create(folder.path().join("log")).unwrap();
    assert!(mounts.iter().all(|(_, inside)| inside.is_dir()));
    network
        .command("sh")
        .args(["-ec", &script])
        .arg(folder.path())
        .arg(user)
        .arg(envoy)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap()
}

fn open_to_all(folder: &Path) {
    let status = Command::new("chmod")
        .args(["-R", "a+rX"])
        .arg(folder)
        .status();
    assert!(status.is_ok_and(|status| status.success()));
}

/// The command line of a container, with its variables filled in.
fn line(pod: &Pod, container: &Value) -> Vec<String> {
    let words = ["command", "args"]
        .into_iter()
        .flat_map(|key| container[key].as_array().into_iter().flatten());
    words
        .map(|word| expanded(pod, container, word.as_str().unwrap()))
        .collect()
}

fn expanded(pod: &Pod, container: &Value, word: &str) -> String {
    let mut word = word.to_owned();
    for variable in container["env"].as_array().into_iter().flatten() {
        let name = variable["name"].as_str().unwrap();
        let value = match variable["value"].as_str() {
            Some(value) => value.to_owned(),
            None => match variable["valueFrom"]["fieldRef"]["fieldPath"].as_str() {
                Some(path) => field(pod, path),
                None => continue,
            },
        };
        word = word.replace(&format!("$({name})"), &value);
    }
    word
}

/// A field of the downward API.
pub(super) fn field(pod: &Pod, path: &str) -> String {
    let pod = serde_json::to_value(pod).unwrap();
    let value = match path.strip_prefix("metadata.annotations['") {
        Some(rest) => &pod["metadata"]["annotations"][rest.trim_end_matches("']")],
        None => path.split('.').fold(&pod, |value, key| &value[key]),
    };
    value.as_str().unwrap_or_default().to_owned()
}
