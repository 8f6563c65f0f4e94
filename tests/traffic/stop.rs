//! The kill switch: copies end, requests go on, and nothing but a runtime value is sent.

use mirrorplane::snapshot::ResourceType;

use super::live::responses_after;
use super::rig::caller::load;
use super::rig::eventually;
use super::rig::mesh::Mesh;
use super::rig::sidecar::{Kind, Plane};
use super::rig::stage::{Stage, URL};

const CONFIG: &str = "  name: traffic-mirror-config\n";
const NAMESPACE: &str = "  name: pipy\n";
const MESH: &str = "  name: osm-mesh-config\n";

/// Gives the object with this name the annotation.
fn stop(mesh: &Mesh, name: &str) {
    let file = ["mirror.yaml", "services.yaml"]
        .into_iter()
        .find(|file| mesh.read(file).contains(name))
        .unwrap();
    let annotated = format!("{name}  annotations:\n    mirrorplane.io/stop: it hurts\n");
    mesh.edit(file, name, &annotated);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_stops_a_mirror_is_one_runtime_response_and_nothing_else() {
    for delta in [false, true] {
        for name in [CONFIG, NAMESPACE, MESH] {
            assert_eq!(
                responses_after(delta, |mesh| stop(mesh, name)).await,
                [ResourceType::Runtime],
                "delta={delta}: {name}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_the_copies_and_no_request_fails() {
    for plane in Plane::ALL {
        let Some(stage) = Stage::new(plane).await else {
            continue;
        };
        const SHADOW: &str = "shadow|curl/traffic-mirror-config|pipy/pipy-ok-v2|8080";
        let counts = async || {
            let structure = stage.sidecar.structure().await?;
            let endpoints = stage.sidecar.stat_of(SHADOW, "update_success").await;
            Some((structure, endpoints))
        };
        let before = counts().await;
        let proxy = stage.sidecar.proxy;
        for name in [CONFIG, MESH] {
            let file = "mirror.yaml";
            let running = stage.mesh.read(file);
            let under_way = tokio::spawn(load(proxy, URL, 4000, 4, "v1"));
            stop(&stage.mesh, name);
            // Copies are seen to end while requests go on.
            eventually(
                format_args!("{stage}: nothing is copied any more"),
                || async {
                    stage.shadow.settled().await;
                    stage.shadow.forget();
                    let probe = load(proxy, URL, 40, 1, "v1").await;
                    assert_eq!(probe.failures, [""; 0], "{stage}");
                    (stage.shadow.settled().await == 0).then_some(())
                },
            )
            .await;
            let load_run = under_way.await.unwrap();
            assert_eq!(load_run.failures, [""; 0], "{stage}");
            assert_eq!(load_run.latencies.len(), 4000, "{stage}");
            stage.control_plane.logged("MP701").await;

            stage.mesh.write(file, &running);
            eventually(format_args!("{stage}: it goes on"), || async {
                stage.shadow.forget();
                let probe = load(proxy, URL, 40, 1, "v1").await;
                assert_eq!(probe.failures, [""; 0], "{stage}");
                (stage.shadow.settled().await == 40).then_some(())
            })
            .await;
        }
        assert_eq!(counts().await, before, "{stage}: by runtime alone");
        stage.assert_no_nack();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_counts_whatever_its_value_is_and_whatever_else_is_wrong() {
    let plane = Plane {
        kind: Kind::Shim,
        delta: false,
    };
    let Some(stage) = Stage::new(plane).await else {
        return;
    };
    let running = stage.mesh.read("mirror.yaml");
    let listed = "  plugin: [traffic-mirror]\n  destinationRefs:";
    for (name, value, also_wrong) in [
        (CONFIG, "", false),
        (CONFIG, "~", false),
        (CONFIG, "true", false),
        (MESH, "1", false),
        (CONFIG, "it hurts", true),
        (CONFIG, "", true),
    ] {
        let annotated = format!("{name}  annotations:\n    mirrorplane.io/stop: {value}\n");
        let mut text = running.replace(name, &annotated);
        if also_wrong {
            text = text.replace("  plugin: traffic-mirror\n  destinationRefs:", listed);
            assert!(text.contains(listed));
        }
        stage.mesh.write("mirror.yaml", &text);
        for (what, copies) in [("stopped", 0), ("goes on", 10)] {
            eventually(format_args!("{name} {value:?}: {what}"), || async {
                stage.shadow.settled().await;
                stage.shadow.forget();
                let probe = load(stage.sidecar.proxy, URL, 10, 1, "v1").await;
                assert_eq!(probe.failures, [""; 0]);
                (stage.shadow.settled().await == copies).then_some(())
            })
            .await;
            stage.mesh.write("mirror.yaml", &running);
        }
    }
    stage.assert_no_nack();
}
