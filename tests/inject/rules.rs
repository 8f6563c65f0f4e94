//! What holds for every injected Pod.

use mirrorplane::sidecar::inject::{Outcome, Placement};
use serde_json::{Value, json};

use crate::{read, run, settings};

const POD: &str = "
apiVersion: v1
kind: Pod
metadata: {name: curl}
spec:
  initContainers: [{name: fetch, image: x}]
  containers:
  - name: curl
    image: x
    livenessProbe: {httpGet: {path: /, port: 80}}
    securityContext: {runAsUser: 7}
";

fn injected(text: &str, placement: Placement) -> (Value, Value) {
    let (home, before) = read(text);
    let mut settings = settings();
    settings.placement = placement;
    let Outcome::Injected(patch) = run(&before, &home, &settings).unwrap().outcome else {
        panic!("not injected: {text}");
    };
    let mut after = before.clone();
    json_patch::patch(&mut after, &patch).unwrap();
    (before, after)
}

fn names(pod: &Value, list: &str) -> Vec<String> {
    let containers = pod["spec"][list].as_array().unwrap();
    containers
        .iter()
        .map(|one| one["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_native_sidecar_comes_before_all_other_containers() {
    let (_, pod) = injected(POD, Placement::Native);
    assert_eq!(
        names(&pod, "initContainers"),
        ["mirrorplane-init", "mirrorplane-sidecar", "fetch"]
    );
    assert_eq!(names(&pod, "containers"), ["curl"]);
    assert_eq!(pod["spec"]["initContainers"][1]["restartPolicy"], "Always");
}

#[test]
fn beside_an_ordinary_sidecar_init_containers_are_not_redirected() {
    let (_, pod) = injected(POD, Placement::Ordinary);
    assert_eq!(names(&pod, "initContainers"), ["fetch", "mirrorplane-init"]);
    assert_eq!(names(&pod, "containers"), ["curl", "mirrorplane-sidecar"]);
    let sidecar = &pod["spec"]["containers"][1];
    assert_eq!(sidecar.get("restartPolicy"), None);
    assert_eq!(
        sidecar["lifecycle"]["preStop"]["exec"]["command"][0],
        "sleep"
    );
}

#[test]
fn the_application_is_not_touched() {
    for placement in [Placement::Native, Placement::Ordinary] {
        let (before, mut after) = injected(POD, placement);
        for list in ["initContainers", "containers"] {
            let containers = after["spec"][list].as_array_mut().unwrap();
            containers.retain(|one| !one["name"].as_str().unwrap().starts_with("mirrorplane-"));
        }
        after["spec"].as_object_mut().unwrap().remove("volumes");
        after["metadata"]
            .as_object_mut()
            .unwrap()
            .remove("annotations");
        assert_eq!(after, before);
    }
}

#[test]
fn a_copy_under_another_name_is_another_sidecar() {
    // As `kubectl debug --copy-to` makes it.
    let (_, mut copy) = injected(POD, Placement::Native);
    copy["metadata"]["name"] = json!("curl-debug");
    let text = copy.to_string();
    assert!(text.contains("$(POD_NAMESPACE)/$(POD_NAME)"), "{text}");
    let (home, _) = read(POD);
    let outcome = run(&copy, &home, &settings()).unwrap().outcome;
    assert!(matches!(outcome, Outcome::Left(_)));
}

#[test]
fn old_iptables_are_used_only_where_the_operator_says_so() {
    let (home, pod) = read(POD);
    for (legacy, capabilities) in [
        (false, json!(["NET_ADMIN"])),
        (true, json!(["NET_ADMIN", "NET_RAW"])),
    ] {
        let mut settings = settings();
        settings.legacy_iptables = legacy;
        let Outcome::Injected(patch) = run(&pod, &home, &settings).unwrap().outcome else {
            panic!("not injected");
        };
        let mut pod = pod.clone();
        json_patch::patch(&mut pod, &patch).unwrap();
        let init = &pod["spec"]["initContainers"][0];
        let arguments = init["args"].as_array().unwrap();
        let named = arguments
            .windows(2)
            .any(|pair| pair == ["--backend", "iptables"]);
        assert_eq!(named, legacy, "{init}");
        assert_eq!(init["securityContext"]["capabilities"]["add"], capabilities);
    }
}

#[test]
fn without_a_ca_no_token_is_sent() {
    let (home, pod) = read(POD);
    let mut settings = settings();
    settings.ca = None;
    let Outcome::Injected(patch) = run(&pod, &home, &settings).unwrap().outcome else {
        panic!("not injected");
    };
    let text = serde_json::to_string(&patch).unwrap();
    assert!(
        !text.contains("serviceAccountToken") && !text.contains("credential_injector"),
        "{text}"
    );
}

#[test]
fn any_json_is_taken_without_a_panic() {
    let (home, _) = read(POD);
    for pod in [
        json!(null),
        json!([]),
        json!({"metadata": [], "spec": "x"}),
        json!({"metadata": {"annotations": 7}, "spec": {"containers": {}, "initContainers": null, "volumes": null}}),
        json!({"spec": {"containers": [null, 7, {"name": 7}]}}),
    ] {
        if let Ok(injection) = run(&pod, &home, &settings())
            && let Outcome::Injected(patch) = injection.outcome
        {
            // What is no Pod cannot be patched, and is told so.
            drop(json_patch::patch(&mut pod.clone(), &patch));
        }
    }
}
