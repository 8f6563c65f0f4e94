//! Editing, breaking, renaming and deleting files while everything runs.

use std::fs;

use super::rig::eventually;
use super::rig::sidecar::{Kind, Plane};
use super::rig::stage::{Stage, URL};

/// Whether a request is copied at the moment.
async fn copied(stage: &Stage) -> bool {
    stage.shadow.settled().await;
    stage.shadow.forget();
    let answer = stage.caller().await.call("GET", URL, b"").await.unwrap();
    assert_eq!(
        answer.headers()["x-served-by"],
        "v1",
        "{stage}: the primary is not affected by any edit"
    );
    stage.shadow.settled().await == 1
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_file_keeps_the_last_good_state_and_recovers() {
    for plane in [Kind::Shim, Kind::Envoy].map(|kind| Plane { kind, delta: false }) {
        let Some(stage) = Stage::new(plane).await else {
            continue;
        };
        let good = stage.mesh.read("mirror.yaml");

        stage.mesh.write(
            "mirror.yaml",
            &good.replace("spec:\n  priority", "spec: [\n  priority"),
        );
        stage.control_plane.logged("MP001").await;
        let log = stage.control_plane.log();
        assert!(log.contains("mirror.yaml:"), "the place is named:\n{log}");
        assert!(
            copied(&stage).await,
            "{stage}: a file that is not YAML changes nothing"
        );

        stage.mesh.write(
            "mirror.yaml",
            &good.replace("value: 1.0", "value: all of them"),
        );
        stage.control_plane.logged("MP316").await;
        assert!(
            copied(&stage).await,
            "{stage}: an invalid share keeps the last valid one"
        );

        stage.mesh.write(
            "mirror.yaml",
            &good.replace("  plugin: traffic-mirror\n", "  plugin: [traffic-mirror]\n"),
        );
        stage.control_plane.logged("MP004").await;
        assert!(
            copied(&stage).await,
            "{stage}: an object of the wrong form keeps its last good one"
        );

        stage
            .mesh
            .write("mirror.yaml", &good.replace("value: 1.0", "value: 0"));
        eventually("the fix has an effect", || async {
            (!copied(&stage).await).then_some(())
        })
        .await;
        stage.mesh.write("mirror.yaml", &good);
        eventually("and so has the next edit", || async {
            copied(&stage).await.then_some(())
        })
        .await;
        stage.assert_no_nack();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn renaming_a_file_changes_nothing_and_deleting_it_ends_the_mirror() {
    for plane in [Kind::Shim, Kind::Envoy].map(|kind| Plane { kind, delta: true }) {
        let Some(stage) = Stage::new(plane).await else {
            continue;
        };
        fs::rename(
            stage.mesh.file("mirror.yaml"),
            stage.mesh.file("renamed.yaml"),
        )
        .unwrap();
        assert!(copied(&stage).await, "{stage}: renamed");
        // Only the rule goes; what it was for is still known by DNS or not at all, as without a sidecar.
        let text = stage.mesh.read("renamed.yaml");
        let (rest, _) = text.rsplit_once("\n---").unwrap();
        stage.mesh.write("renamed.yaml", rest);
        eventually("the rule is gone", || async {
            stage.shadow.settled().await;
            stage.shadow.forget();
            let answer = stage.caller().await.call("GET", URL, b"").await.unwrap();
            (answer.status() != 200 && stage.shadow.settled().await == 0).then_some(())
        })
        .await;
        stage.assert_no_nack();
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_mounted_from_a_config_map_is_followed() {
    use std::os::unix::fs::symlink;

    let Some(stage) = Stage::new(Plane {
        kind: Kind::Shim,
        delta: false,
    })
    .await
    else {
        return;
    };
    // As the kubelet does it: files are links into `..data`, which is a link to a folder that is exchanged as a whole.
    let good = stage.mesh.read("mirror.yaml");
    for (version, value) in [("..v1", "1.0"), ("..v2", "0")] {
        fs::create_dir(stage.mesh.file(version)).unwrap();
        let text = good.replace("value: 1.0", &format!("value: {value}"));
        fs::write(stage.mesh.file(version).join("mirror.yaml"), text).unwrap();
    }
    symlink("..v1", stage.mesh.file("..data")).unwrap();
    symlink("..data/mirror.yaml", stage.mesh.file("link.yaml")).unwrap();
    fs::remove_file(stage.mesh.file("mirror.yaml")).unwrap();
    eventually("the link is read", || async {
        copied(&stage).await.then_some(())
    })
    .await;

    symlink("..v2", stage.mesh.file("..data_tmp")).unwrap();
    fs::rename(stage.mesh.file("..data_tmp"), stage.mesh.file("..data")).unwrap();
    eventually("the exchanged folder is read", || async {
        (!copied(&stage).await).then_some(())
    })
    .await;
}
