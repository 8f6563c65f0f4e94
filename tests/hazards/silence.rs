//! The proxy says nothing of copies that it sends nowhere.

use std::process::Command;

use mirrorplane::model::{Capture, Group};
use mirrorplane::pipeline::Pipeline;
use mirrorplane::resolve::Settings;
use mirrorplane::snapshot::{Dangling, check};
use mirrorplane::source;
use mirrorplane::translate::translate;
use serde_json::json;

use super::naive::{self, Naive};
use super::rig::caller::load;
use super::rig::echo::Echo;
use super::rig::mesh::Mesh;
use super::rig::sidecar::Plane;
use super::rig::stage::{Stage, URL};

const REQUESTS: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_to_nowhere_is_told() {
    let live = Echo::start("v1").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("routes.json");
    let route = json!({
        "match": { "prefix": "/" },
        "route": { "cluster": "live", "request_mirror_policies": [{ "cluster": "nowhere" }] },
    });
    let routes = json!({
        "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
        "name": "all",
        "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": [route] }],
    });
    std::fs::write(&file, json!({ "resources": [routes] }).to_string()).unwrap();
    let mut naive = Naive::new(json!([]), vec![naive::cluster("live", live.address)]);
    // Static routes would be refused, those that a control plane sends are not.
    let source = json!({ "path_config_source": { "path": file } });
    naive.routes = (
        "rds",
        json!({ "route_config_name": "all", "config_source": source }),
    );
    let Some(envoy) = naive.start().await else {
        return;
    };
    let sent = load(envoy.proxy, naive::URL, REQUESTS, 1, "v1").await;
    assert_eq!(sent.latencies.len(), REQUESTS, "{sent:?}");
    let said = envoy.admin("stats").await + &envoy.log();
    assert!(!said.contains("nowhere"), "the control said it\n{said}");

    // Here the mirror is not sent, and the user hears of it.
    let mesh = Mesh::new(live.address, live.address);
    mesh.edit("mirror.yaml", "service: pipy-ok-v2", "service: nowhere");
    let output = Command::new(env!("CARGO_BIN_EXE_mirrorplane"))
        .arg("check")
        .arg(mesh.path())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("error[MP321]"), "{said}");
    assert_eq!(output.status.code(), Some(1), "{said}");
    for plane in Plane::ALL {
        let stage = Stage::new(plane).await.unwrap();
        stage
            .mesh
            .edit("mirror.yaml", "service: pipy-ok-v2", "service: nowhere");
        stage.control_plane.logged("MP321").await;
        let sent = load(stage.sidecar.proxy, URL, REQUESTS, 1, "v1").await;
        assert_eq!(sent.latencies.len(), REQUESTS, "{stage}: {sent:?}");
        stage.assert_no_nack();
    }
}

/// Should a mistake of ours make one all the same, nothing of it is sent.
#[test]
fn a_route_to_a_cluster_that_is_not_there_is_refused() {
    let address = "127.0.0.1:8080".parse().unwrap();
    let mesh = Mesh::new(address, address);
    let objects = source::open(mesh.path()).unwrap().objects;
    let mut pipeline = Pipeline::new(Settings::default());
    pipeline.step(&objects);
    let mirrors = |group: &Group| {
        let mut ports = group.destinations.iter().flat_map(|each| &each.ports);
        matches!(group.capture, Capture::Explicit(_)) && ports.any(|port| !port.mirrors.is_empty())
    };
    let model = pipeline.model().unwrap();
    let group = model.groups.values().find(|group| mirrors(group)).unwrap();
    let mut resources = translate(group);
    assert_eq!(check(&resources), Ok(()));
    resources
        .clusters
        .retain(|cluster| !cluster.name.starts_with("shadow|"));
    let faults = check(&resources).unwrap_err();
    assert!(
        !faults.is_empty()
            && faults
                .iter()
                .all(|fault| matches!(fault, Dangling::MirrorCluster { .. })),
        "{faults:?}"
    );
}
