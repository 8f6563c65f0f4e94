//! The control plane may die at any time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::rig::caller::Load;
use super::rig::caller::load;
use super::rig::eventually;
use super::rig::sidecar::Plane;
use super::rig::stage::{Stage, URL};

#[tokio::test(flavor = "multi_thread")]
async fn killed_and_restarted_under_load_it_costs_no_request() {
    for plane in Plane::ALL {
        let Some(mut stage) = Stage::new(plane).await else {
            continue;
        };
        let stop = Arc::new(AtomicBool::new(false));
        let (proxy, stopped) = (stage.sidecar.proxy, Arc::clone(&stop));
        let caller = tokio::spawn(async move {
            let mut total = Load::default();
            while !stopped.load(Ordering::Relaxed) {
                let part = load(proxy, URL, 200, 4, "v1").await;
                total.latencies.extend(part.latencies);
                total.failures.extend(part.failures);
            }
            total
        });
        for value in ["0", "1.0"] {
            stage.control_plane.kill();
            let before = stage.shadow.count();
            // The sidecar goes on with what it has; what is edited meanwhile holds after the restart.
            stage.mesh.share(value);
            stage.control_plane.restart().await;
            eventually(
                format_args!("{plane}: the share is {value} after the restart"),
                || async {
                    let before = stage.shadow.count();
                    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
                    ((stage.shadow.count() > before) == (value != "0")).then_some(())
                },
            )
            .await;
            assert!(stage.shadow.count() >= before);
        }
        stop.store(true, Ordering::Relaxed);
        let total = caller.await.unwrap();
        eprintln!(
            "{plane}: {} requests during two restarts",
            total.latencies.len()
        );
        assert!(
            total.failures.is_empty(),
            "{plane}: {:?}",
            total.failures.first()
        );
        assert!(total.latencies.len() > 200, "{plane}: there was load");
        stage.assert_no_nack();
    }
}
