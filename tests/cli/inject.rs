//! `mirrorplane inject`.

use std::fs;

use serde_json::Value;

use crate::command::{arg, folder, mirrorplane, stderr, stdout};

const MANIFESTS: &str = "# Kept as it is.
apiVersion: v1
kind: Service
metadata: {name: curl} # and this
---
apiVersion: v1
kind: Namespace
metadata: {name: apart}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec: {jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: x, args: [\"yes\", \"0x10\", \"1e3\"]}]}}}}}
---
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {on: \"off\"}}
- apiVersion: apps/v1
  kind: Deployment
  metadata: {name: curl}
  spec: {template: {metadata: {labels: {app: curl}}, spec: {containers: [{name: curl, image: x}]}}}
- apiVersion: v1
  kind: Pod
  metadata: {name: curl, namespace: apart}
  spec: {containers: [{name: curl, image: x}]}
";

fn documents(text: &str) -> Vec<Value> {
    let parts = text.split("\n---\n");
    parts
        .map(|part| serde_saphyr::from_str(part).unwrap())
        .collect()
}

#[test]
fn workloads_get_the_sidecar_and_all_else_passes_through() {
    let input = folder(&[("mesh.yaml", MANIFESTS), ("notes.txt", "no manifest")]);
    let output = mirrorplane(&["inject", "-f", arg(input.path()), "--insecure-plaintext"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(text.starts_with("# Kept as it is.\n"), "{text}");
    assert!(
        text.contains("metadata: {name: curl} # and this\n"),
        "{text}"
    );
    let (before, after) = (documents(MANIFESTS), documents(&text));
    assert_eq!(before.len(), after.len());
    assert_eq!(after[..2], before[..2]);
    let names = |pod: &Value| -> Vec<String> {
        let found = pod["spec"]["initContainers"].as_array();
        let names = found.into_iter().flatten();
        names
            .map(|one| one["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let sidecar = ["mirrorplane-init", "mirrorplane-sidecar"];
    let job = &after[2]["spec"]["jobTemplate"]["spec"]["template"];
    assert_eq!(names(job), sidecar);
    assert_eq!(
        job["spec"]["containers"][0]["args"],
        serde_json::json!(["yes", "0x10", "1e3"])
    );
    let items = &after[3]["items"];
    assert_eq!(items[0], before[3]["items"][0]);
    assert_eq!(names(&items[1]["spec"]["template"]), sidecar);
    // Its namespace is in the input, and has not joined.
    assert_eq!(items[2], before[3]["items"][2]);
    assert!(
        stderr(&output)
            .contains("Pod apart/curl: left as it is: its namespace has not joined the mesh")
    );

    // What has a sidecar does not get another.
    let again = folder(&[("again.yaml", &text)]);
    let output = mirrorplane(&["inject", "-f", arg(again.path()), "--insecure-plaintext"]);
    assert_eq!(documents(&stdout(&output)), after);
}

#[test]
fn folders_below_are_read_if_asked_for() {
    let input = folder(&[]);
    fs::create_dir(input.path().join("below")).unwrap();
    fs::write(input.path().join("below/mesh.yaml"), MANIFESTS).unwrap();
    for (recursive, code) in [(false, 2), (true, 0)] {
        let mut arguments = vec!["inject", "-f", arg(input.path()), "--insecure-plaintext"];
        arguments.extend(recursive.then_some("-R"));
        let output = mirrorplane(&arguments);
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
    }
}

#[test]
fn what_cannot_be_injected_is_told_with_its_place_and_nothing_is_written() {
    let bad = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  annotations:\n    openservicemesh.io/sidecar-injection: maybe\nspec: {}\n";
    for (text, expected) in [
        (bad, "bad.yaml:6:5"),
        ("a: [", "error[MP001]"),
        (
            "apiVersion: v1\nkind: Pod\nmetadata: []\nspec: {}\n",
            "error[MP004]",
        ),
    ] {
        let input = folder(&[("bad.yaml", text)]);
        let output = mirrorplane(&["inject", "-f", arg(input.path()), "--insecure-plaintext"]);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert_eq!(stdout(&output), "", "{text}");
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
    }
    let output = mirrorplane(&["inject", "-f", "-"]);
    assert!(stderr(&output).contains("pass --ca"), "{}", stderr(&output));
}

#[test]
fn an_ordinary_sidecar_has_an_image_with_the_command_that_it_needs() {
    let input = folder(&[("mesh.yaml", MANIFESTS)]);
    for (flags, image) in [
        (&[][..], "envoyproxy/envoy:distroless-v1.40.0"),
        (
            &["--sidecar-placement=ordinary"],
            "envoyproxy/envoy:v1.40.0",
        ),
        (
            &["--sidecar-placement=ordinary", "--proxy-image=mine:1"],
            "mine:1",
        ),
    ] {
        let command = ["inject", "-f", arg(input.path()), "--insecure-plaintext"];
        let output = mirrorplane(&[&command, flags].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let text = stdout(&output);
        assert!(text.contains(&format!("image: {image}\n")), "{text}");
        assert_eq!(text.contains("preStop"), !flags.is_empty());
    }
}

const ANNOTATED: &str = "apiVersion: v1
kind: Namespace
metadata:
  name: curl
  labels: {mirrorplane.io/monitored-by: osm}
  annotations: {mirrorplane.io/sidecar-injection: enabled}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: curl, namespace: curl, annotations: {mirrorplane.io/listen: transparent}}
spec:
  template:
    metadata:
      annotations:
        mirrorplane.io/sidecar-injection: enabled
        mirrorplane.io/outbound-port-exclusion-list: \"6379\"
        mirrorplane.io/outbound-ip-range-exclusion-list: 10.9.0.0/16
        mirrorplane.io/outbound-ip-range-inclusion-list: 10.0.0.0/8
        mirrorplane.io/sidecar-cpu-request: 100m
        mirrorplane.io/sidecar-cpu-limit: \"1\"
        mirrorplane.io/sidecar-memory-request: 64Mi
        mirrorplane.io/sidecar-memory-limit: 128Mi
    spec: {containers: [{name: curl, image: x}]}
---
apiVersion: v1
kind: Pod
metadata: {name: alone, namespace: curl, annotations: {mirrorplane.io/sidecar-cpu-limit: \"1\"}}
spec: {containers: [{name: curl, image: x}]}
";

/// Where `check` finds annotations that nothing reads.
fn unread(text: &str) -> Vec<String> {
    let folder = folder(&[("mesh.yaml", text)]);
    let output = mirrorplane(&["check", arg(folder.path()), "--output", "json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let all = report["diagnostics"].as_array().unwrap().iter();
    all.filter(|one| one["code"] == "MP012")
        .map(|one| one["path"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn check_knows_the_annotations_of_injected_pods_where_they_belong() {
    let authority = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
    let input = folder(&[("mesh.yaml", ANNOTATED), ("ca.crt", authority)]);
    let [manifests, authority] = ["mesh.yaml", "ca.crt"].map(|name| input.path().join(name));
    let output = mirrorplane(&["inject", "-f", arg(&manifests), "--ca", arg(&authority)]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let injected = stdout(&output);
    for added in ["mirrorplane.io/injected", "mirrorplane.io/token-sds"] {
        assert_eq!(
            injected.matches(&format!("{added}:")).count(),
            2,
            "{injected}"
        );
    }
    assert_eq!(unread(&injected), [""; 0]);

    // A Pod has what its template says, and a namespace speaks for whether only.
    for (from, to) in [
        (
            "{mirrorplane.io/listen: transparent}",
            "mirrorplane.io/sidecar-injection",
        ),
        (
            "{mirrorplane.io/listen: transparent}",
            "mirrorplane.io/sidecar-cpu-limit",
        ),
        (
            "{mirrorplane.io/sidecar-injection: enabled}",
            "mirrorplane.io/token-sds",
        ),
    ] {
        let moved = ANNOTATED.replacen(from, &format!("{{{to}: enabled}}"), 1);
        let path = format!("metadata.annotations[\"{to}\"]");
        assert_eq!(unread(&moved), [path]);
    }
}
