//! The program as the Deployment runs it: with its arguments, its environment, and the rights of its account.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tokio::process::{Child, Command};

use crate::install::deploy;
use crate::rig::{Cluster, Parts, ask, eventually};

const NAMESPACE: &str = "mirrorplane-system";

/// Starts the container of a Deployment without a container. It listens on loopback, wherever there is room.
fn start(deployment: &Value, kubeconfig: &Path, log: &Path) -> Child {
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let mut command = Command::new(env!("CARGO_BIN_EXE_mirrorplane"));
    for argument in container["args"].as_array().unwrap() {
        command.arg(argument.as_str().unwrap());
    }
    for entry in container["env"].as_array().unwrap() {
        let field = entry["valueFrom"]["fieldRef"]["fieldPath"].as_str();
        let value = match field {
            Some("metadata.namespace") => NAMESPACE.to_owned(),
            Some("metadata.name") => "mirrorplane-0".to_owned(),
            Some("metadata.uid") => "6a2f1d5e-0000-4000-8000-000000000000".to_owned(),
            Some(other) => panic!("what is {other}?"),
            None => entry["value"]
                .as_str()
                .unwrap()
                .replace("$(POD_NAMESPACE)", NAMESPACE),
        };
        let value = match value.strip_prefix("0.0.0.0:") {
            Some(_) => "127.0.0.1:0".to_owned(),
            None => value,
        };
        command.env(entry["name"].as_str().unwrap(), value);
    }
    let log = File::create(log).unwrap();
    command
        .env("KUBECONFIG", kubeconfig)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// The address in the first line of a log that says this.
fn address(log: &str, message: &str) -> Option<String> {
    log.lines().find_map(|line| {
        let line: Value = serde_json::from_str(line).ok()?;
        let fields = &line["fields"];
        (fields["message"] == message).then(|| fields["address"].as_str().map(str::to_owned))?
    })
}

#[tokio::test]
async fn the_program_gets_ready_with_what_the_manifests_give_it() {
    let Some(cluster) = Cluster::own(Parts::Controllers).await else {
        return;
    };
    cluster
        .kubectl(&["apply", "-k", &deploy("kubernetes")])
        .await
        .ok();
    let there = [
        "get",
        "deployment",
        "mirrorplane",
        "-n",
        NAMESPACE,
        "-o",
        "json",
    ];
    let deployment: Value = serde_json::from_str(&cluster.kubectl(&there).await.ok()).unwrap();
    let kubeconfig = cluster.kubeconfig_of(NAMESPACE, "mirrorplane").await;
    let path = cluster.folder().join("mirrorplane.log");
    let mut program = start(&deployment, &kubeconfig, &path);
    let log = || std::fs::read_to_string(&path).unwrap();

    eventually("it is ready", async || {
        assert!(
            program.try_wait().unwrap().is_none(),
            "it ended:\n{}",
            log()
        );
        let admin = address(&log(), "metrics and nodes")?;
        ask(&format!("http://{admin}/readyz"), None).await
    })
    .await;
    // The CA in the Secret is the one that the API server is told.
    eventually("the webhooks have a CA", async || {
        let get = ["get", "mutatingwebhookconfiguration/mirrorplane", "-o"];
        let each = "jsonpath={.webhooks[*].clientConfig.caBundle}";
        let told = cluster.kubectl(&[&get[..], &[each]].concat()).await.ok();
        (told.split_whitespace().count() == 3).then_some(())
    })
    .await;
    let secret = ["get", "secret", "mirrorplane-certificates", "-n", NAMESPACE];
    cluster.kubectl(&secret).await.ok();
    let log = log();
    assert!(!log.contains("orbidden"), "a right is missing:\n{log}");
}
