//! Commands that read the cluster, where there is none.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::json;

use crate::command::{arg, folder, mirrorplane, stderr, stdout};

/// A kubeconfig of a cluster at which nobody listens: port 1 of the loopback is nobody's.
fn nobody() -> String {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "nobody",
        "clusters": [{"name": "nobody", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "nobody", "user": {}}],
        "contexts": [{"name": "nobody", "context": {"cluster": "nobody", "user": "nobody"}}],
    })
    .to_string()
}

#[test]
fn a_kubeconfig_that_cannot_be_used_ends_the_command() {
    let folder = folder(&[("broken", "clusters: 7"), ("nobody", &nobody())]);
    let at = |name: &str| arg(&folder.path().join(name)).to_owned();
    for command in [
        vec!["serve", "--admin", "off"],
        vec!["check"],
        vec!["translate", "--node", "a/b"],
    ] {
        for (flags, expected) in [
            (vec!["--kubeconfig".to_owned(), at("missing")], "missing"),
            (vec!["--kubeconfig".to_owned(), at("broken")], "kubeconfig"),
            (
                vec![
                    "--kubeconfig".to_owned(),
                    at("nobody"),
                    "--context".to_owned(),
                    "other".to_owned(),
                ],
                "other",
            ),
        ] {
            let flags = flags.iter().map(String::as_str);
            let output = mirrorplane(&command.iter().copied().chain(flags).collect::<Vec<_>>());
            assert_eq!(output.status.code(), Some(2), "{command:?}");
            assert!(stderr(&output).contains(expected), "{}", stderr(&output));
            assert_eq!(stdout(&output), "");
        }
    }
}

#[test]
fn a_folder_and_a_cluster_at_once_are_a_mistake() {
    let output = mirrorplane(&["serve", "--config-dir", "x", "--context", "y"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("cannot be used with"));
}

#[test]
fn a_cluster_that_does_not_answer_cannot_be_checked() {
    let folder = folder(&[("nobody", &nobody())]);
    let output = mirrorplane(&["check", "--kubeconfig", arg(&folder.path().join("nobody"))]);
    assert_eq!(output.status.code(), Some(2));
    let said = stderr(&output);
    assert!(
        said.contains("does not answer") && said.contains("refused"),
        "{said}"
    );
}

#[test]
fn a_cluster_that_does_not_answer_is_waited_for() {
    let folder = folder(&[("nobody", &nobody())]);
    let mut serve = Command::new(env!("CARGO_BIN_EXE_mirrorplane"))
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--admin",
            "off",
            "--kubeconfig",
        ])
        .arg(folder.path().join("nobody"))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let log = BufReader::new(serve.stderr.take().unwrap());
    let mut lines = log.lines().map_while(Result::ok);
    let said = lines.find(|line| line.contains("waiting for the Kubernetes API"));
    let runs = serve.try_wait().unwrap().is_none();
    serve.kill().unwrap();
    serve.wait().unwrap();
    assert!(said.unwrap().contains("refused") && runs);
}
