//! A real Envoy accepts, over ADS, everything that the golden cases yield.

use std::fs;
use std::path::Path;

use mirrorplane::model::Capture;
use mirrorplane::pipeline::Pipeline;
use mirrorplane::resolve::Settings;
use mirrorplane::source;
use tokio::net::TcpStream;

use super::rig::control_plane::ControlPlane;
use super::rig::eventually;
use super::rig::sidecar::{Kind, Plane, Sidecar};

#[tokio::test(flavor = "multi_thread")]
async fn every_golden_case_is_accepted_by_a_real_envoy() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut accepted = 0;
    for entry in fs::read_dir(root).unwrap() {
        let case = entry.unwrap().path();
        if !case.is_dir() {
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        fs::copy(case.join("input.yaml"), folder.path().join("input.yaml")).unwrap();
        let objects = source::open(folder.path()).unwrap().objects;
        let mut pipeline = Pipeline::new(Settings::default());
        pipeline.step(&objects);
        let model = pipeline.model().expect("a step was taken");
        let control_plane = ControlPlane::start(folder.path()).await;
        // One node of each group: the others are sent the same bytes.
        for group in model.groups.keys() {
            let Some((node, _)) = model.nodes.iter().find(|(_, of)| *of == group) else {
                continue;
            };
            let plane = Plane {
                kind: Kind::Envoy,
                delta: accepted % 2 == 1,
            };
            let node = node.to_string();
            let started = match model.groups[group].capture {
                capture if capture == Settings::default().capture => {
                    Sidecar::start_as(plane, &control_plane, &node).await
                }
                // It listens nowhere by itself.
                Capture::Transparent => Sidecar::launch(plane, &control_plane, &node, None, None),
                Capture::Explicit(_) => continue,
            };
            let Some(sidecar) = started else {
                return;
            };
            let what = format!("{}: {node} is ready", case.display());
            eventually(&what, || async {
                TcpStream::connect(sidecar.address()).await.ok()?;
                (sidecar.admin("ready").await.trim() == "LIVE").then_some(())
            })
            .await;
            let rejected = sidecar.stats_ending("update_rejected").await;
            assert_eq!(
                rejected,
                0,
                "{}: {node}\n{}",
                case.display(),
                control_plane.log()
            );
            assert!(
                !control_plane.log().contains("MP503"),
                "{}\n{}",
                case.display(),
                control_plane.log()
            );
            accepted += 1;
        }
    }
    assert!(accepted > 0);
}
