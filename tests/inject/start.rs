//! What an injected sidecar starts with.

use mirrorplane::sidecar::inject::{Outcome, Settings};
use serde_json::Value;

use crate::{envoy, read, run, settings};

/// The bootstrap as the container gets it, in a Pod with this address, and the SDS file.
fn bootstrap(settings: &Settings, address: &str) -> (Value, String) {
    let (home, pod) =
        read("{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: []}}");
    let Outcome::Injected(patch) = run(&pod, &home, settings).unwrap().outcome else {
        panic!("not injected");
    };
    let mut pod = pod;
    json_patch::patch(&mut pod, &patch).unwrap();
    let arguments = &pod["spec"]["initContainers"][1]["args"];
    assert_eq!(arguments[0], "--config-yaml");
    let text = arguments[1].as_str().unwrap();
    let text = text.replace("$(POD_IP)", address).replace("$$", "$");
    let sds = &pod["metadata"]["annotations"]["mirrorplane.io/token-sds"];
    (
        serde_json::from_str(&text).unwrap(),
        sds.as_str().unwrap().to_owned(),
    )
}

#[test]
fn envoy_accepts_it_in_pods_of_either_family() {
    let Some(binary) = envoy::binary() else {
        return;
    };
    let mut settings = settings();
    let ca = rcgen::generate_simple_self_signed(["ca".to_owned()]).unwrap();
    settings.ca = Some(ca.cert.pem());
    for address in ["127.0.0.1", "::1"] {
        for control_plane in ["mirrorplane.mirrorplane-system.svc:15128", "10.0.0.1:15128"] {
            settings.control_plane = control_plane.parse().unwrap();
            let (mut bootstrap, sds) = bootstrap(&settings, address);
            assert_eq!(bootstrap.get("node"), None);
            // In the Pod, arguments say it.
            bootstrap["node"] = serde_json::json!({"id": "curl/curl", "cluster": "curl"});
            // The files that the Pod's volume would hold.
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("token"), "0123456789abcdef").unwrap();
            let place = folder.path().display().to_string();
            let moved = |text: &str| text.replace("/var/run/secrets/mirrorplane", &place);
            std::fs::write(folder.path().join("sds.json"), moved(&sds)).unwrap();
            let bootstrap: Value = serde_json::from_str(&moved(&bootstrap.to_string())).unwrap();
            envoy::validate(&binary, &bootstrap).unwrap();
        }
    }
}
