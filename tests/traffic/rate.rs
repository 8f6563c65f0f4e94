//! Not more copies in a second than there may be, and as many as that.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::rig::caller::load;
use super::rig::eventually;
use super::rig::sidecar::Plane;
use super::rig::stage::{Stage, URL};

/// Copies in a second.
const LIMIT: usize = 20;

/// Sends as many requests as are answered, for so long; none may fail.
async fn busy(stage: &Stage, time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        let part = load(stage.sidecar.proxy, URL, 200, 4, "v1").await;
        assert_eq!(part.failures, [""; 0], "{stage}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_is_as_large_as_the_rate_lets_it_be() {
    for plane in Plane::ALL.into_iter().filter(|plane| !plane.delta) {
        let Some(stage) = Stage::new(plane).await else {
            continue;
        };
        stage.mesh.share("0.04");
        let before = "    percentage:\n";
        let limited = format!("    maxRequestsPerSecond: {LIMIT}\n{before}");
        stage.mesh.edit("mirror.yaml", before, &limited);
        // With few requests it is raised step by step, to what is asked for.
        stage.control_plane.logged("MP708").await;
        eventually(format_args!("{stage}: the share is whole"), || async {
            load(stage.sidecar.proxy, URL, 20, 1, "v1").await;
            sleep(Duration::from_millis(200)).await;
            let log = stage.control_plane.log();
            log.contains("no longer so: its share is held down")
                .then_some(())
        })
        .await;
        // With many it is lowered.
        stage.mesh.share("1");
        busy(&stage, Duration::from_secs(15)).await;
        stage.shadow.forget();
        let start = Instant::now();
        busy(&stage, Duration::from_secs(8)).await;
        let (copies, seconds) = (stage.shadow.settled().await, start.elapsed().as_secs_f64());
        let rate = copies as f64 / seconds;
        eprintln!("{stage}: {rate:.1} copies a second, where {LIMIT} may be");
        // Requests come unevenly here, and a share lags behind by some seconds: without a limit it would be hundreds.
        assert!(rate < 3.0 * LIMIT as f64, "{stage}: {rate}");
        assert!(copies > 0, "{stage}: nothing at all");
        stage.assert_no_nack();
    }
}
