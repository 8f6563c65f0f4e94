//! The other commands that need no sidecar.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::command::{EXAMPLE, mirrorplane, stderr, stdout};

#[test]
fn translate_prints_what_a_workload_is_sent() {
    let output = mirrorplane(&[
        "translate",
        EXAMPLE,
        "--node",
        "curl/curl",
        "--output",
        "json",
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let xds: Value = serde_json::from_slice(&output.stdout).unwrap();
    let hosts = xds["routes"][0]["virtual_hosts"].as_array().unwrap();
    let host = hosts
        .iter()
        .find(|host| host["name"] == "pipy-ok-v1.pipy:8080")
        .unwrap();
    let policy = host["routes"]
        .as_array()
        .unwrap()
        .iter()
        .find_map(|route| route["route"]["request_mirror_policies"].get(0))
        .unwrap();
    assert_eq!(
        policy["cluster"],
        "shadow|curl/traffic-mirror-config|pipy/pipy-ok-v2|8080"
    );
    assert_eq!(
        policy["runtime_fraction"]["default_value"]["denominator"],
        "MILLION"
    );
    assert_eq!(
        xds["runtime"][0]["layer"]["mirror.curl.traffic-mirror-config"],
        100.0
    );
}

#[test]
fn translate_in_yaml_is_the_same_as_in_json() {
    let json = mirrorplane(&[
        "translate",
        EXAMPLE,
        "--node",
        "curl/curl",
        "--output",
        "json",
    ]);
    let yaml = mirrorplane(&["translate", EXAMPLE, "--node", "curl/curl"]);
    let from_json: Value = serde_json::from_slice(&json.stdout).unwrap();
    let from_yaml: Value = serde_saphyr::from_str(&stdout(&yaml)).unwrap();
    assert_eq!(from_json, from_yaml);
}

#[test]
fn translate_for_an_unknown_node_names_the_known_ones() {
    let output = mirrorplane(&["translate", EXAMPLE, "--node", "curl/crul"]);
    assert_eq!(
        (output.status.code(), stdout(&output).as_str()),
        (Some(2), "")
    );
    assert!(stderr(&output).contains("curl/curl"), "{}", stderr(&output));
}

#[test]
fn mistakes_on_the_command_line_are_explained_and_exit_with_2() {
    for (args, says) in [
        (
            &["translate", EXAMPLE, "--node", "curl"][..],
            "NAMESPACE/NAME",
        ),
        (
            &["serve", "--kubeconfig", "none", "--admin", "off"],
            "--config-dir",
        ),
        (
            &["serve", "--config-dir", EXAMPLE, "--listen", "0.0.0.0:0"],
            "--insecure-plaintext",
        ),
        (
            &[
                "serve",
                "--config-dir",
                EXAMPLE,
                "--listen",
                "0.0.0.0:0",
                "--tls-cert",
                "no-such-file",
                "--tls-key",
                "no-such-file",
            ],
            "--insecure-anonymous",
        ),
        (
            &[
                "serve",
                "--config-dir",
                EXAMPLE,
                "--listen",
                "127.0.0.1:0",
                "--tls-cert",
                "no-such-file",
                "--tls-key",
                "no-such-file",
            ],
            "no-such-file: ",
        ),
        (
            &["serve", "--config-dir", EXAMPLE, "--tls-cert", "x"],
            "--tls-key",
        ),
        (
            &["serve", "--config-dir", EXAMPLE, "--tls-client-ca", "x"],
            "--tls-cert",
        ),
        (
            &["bootstrap", "--node", "curl/curl", "--tls-key", "x"],
            "--tls-cert",
        ),
        (
            &[
                "bootstrap",
                "--node",
                "curl/curl",
                "--token-file",
                "no-such-file",
            ],
            "no-such-file",
        ),
        (
            &[
                "serve",
                "--config-dir",
                "no-such-folder",
                "--listen",
                "127.0.0.1:0",
            ],
            "no-such-folder",
        ),
        (&["shim", "--bootstrap", "no-such-file"], "no-such-file"),
        (
            &[
                "bootstrap",
                "--node",
                "curl/curl",
                "--control-plane",
                "nowhere",
            ],
            "nowhere",
        ),
        (
            &["check", EXAMPLE, "--log", "verbose"],
            "--log verbose: not a level",
        ),
        (&["fly"], "fly"),
    ] {
        let output = mirrorplane(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(
            stderr(&output).contains(says),
            "{args:?}: {}",
            stderr(&output)
        );
        assert_eq!(stdout(&output), "", "{args:?}: talk goes to stderr");
    }
}

#[test]
fn every_command_has_help_with_examples() {
    for command in [
        "serve",
        "check",
        "stop",
        "resume",
        "translate",
        "bootstrap",
        "shim",
        "demo",
        "completions",
    ] {
        let output = mirrorplane(&[command, "--help"]);
        assert_eq!(output.status.code(), Some(0));
        let text = stdout(&output);
        assert!(
            text.contains(&format!("Examples:\n  mirrorplane {command}"))
                || text.contains("Examples:\n  mirrorplane bootstrap"),
            "{text}"
        );
    }
    assert_eq!(mirrorplane(&["--version"]).status.code(), Some(0));
}

#[test]
fn completions_are_for_this_command() {
    for shell in ["bash", "zsh", "fish"] {
        let output = mirrorplane(&["completions", shell]);
        assert!(stdout(&output).contains("mirrorplane"), "{shell}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    for args in [
        &["translate", EXAMPLE, "--node", "curl/curl"][..],
        &["completions", "bash"],
    ] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_mirrorplane"))
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(0),
            "{args:?}: {}",
            stderr(&output)
        );
        assert!(!stderr(&output).contains("panicked"), "{}", stderr(&output));
    }
}
