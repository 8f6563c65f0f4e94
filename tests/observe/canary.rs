//! A roll-out that was stopped, as operators see it.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use mirrorplane::snapshot::ResourceType::Cluster;
use serde_json::Value;
use tokio::time::timeout;

use crate::client::Delta;
use crate::plane::{edit, example, get, until};
use crate::serve::Serve;

const FLAGS: [&str; 6] = [
    "--canary-threshold",
    "2",
    "--canary-sidecars",
    "1",
    "--canary-timeout",
    "1h",
];

/// Exit code and stdout of `mirrorplane status`.
async fn status(admin: SocketAddr) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mirrorplane"));
    command.args(["status", "--admin", &format!("http://{admin}")]);
    let run = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = run.await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code().unwrap(), text)
}

async fn has_metric(admin: SocketAddr, line: &str) -> bool {
    let (_, text) = get(admin, "/metrics").await;
    text.lines().any(|found| found == line)
}

#[tokio::test]
async fn a_stopped_roll_out_is_told_with_the_object_that_it_comes_from() {
    let folder = example();
    let mut serve = Serve::with(folder.path(), "info", &FLAGS).await;
    let admin = serve.admin;
    let mut sidecars = Vec::new();
    for _ in 0..3 {
        let mut sidecar = Delta::open(serve.ads, "curl/curl").await;
        sidecar.ask(Cluster, &[]).await;
        let first = sidecar.next().await;
        sidecar.answer(&first, None).await;
        sidecars.push(sidecar);
    }
    until(|| async { status(admin).await.0 == 0 }).await;

    // The mirror the other way round; at one stroke, for what is between would be a mirror to itself.
    let there = "name: pipy-ok-v1\n      namespace: pipy\n  config:\n    namespace: pipy\n    service: pipy-ok-v2";
    let back = "name: pipy-ok-v2\n      namespace: pipy\n  config:\n    namespace: pipy\n    service: pipy-ok-v1";
    edit(folder.path(), "mirror.yaml", there, back);
    until(|| async { status(admin).await.1.contains("first, the others wait") }).await;
    let (canary, response) = 'heard: loop {
        for (index, sidecar) in sidecars.iter_mut().enumerate() {
            if let Ok(response) = timeout(Duration::from_millis(20), sidecar.next()).await {
                break 'heard (index, response);
            }
        }
    };
    for (index, sidecar) in sidecars.iter_mut().enumerate() {
        let silence = timeout(Duration::from_millis(150), sidecar.next()).await;
        assert!(
            silence.is_err(),
            "{index} is not {canary}, which tries it alone"
        );
    }
    sidecars[canary].answer(&response, Some("not that")).await;

    let event = serve.coded("MP505").await;
    let fields = &event["fields"];
    assert_eq!(event["level"], "ERROR");
    assert_eq!(fields["object"], "PluginConfig curl/traffic-mirror-config");
    let place = fields["place"].as_str().unwrap();
    assert!(place.contains("mirror.yaml:"), "{place}");
    let message = fields["message"].as_str().unwrap();
    assert!(
        message.starts_with("1 of 1 canaries rejected the new cluster `"),
        "{message}"
    );
    assert!(message.ends_with("`curl/curl` says: not that"), "{message}");
    let effect = fields["effect"].as_str().unwrap();
    assert!(effect.contains("3 sidecars of the group"), "{effect}");
    assert!(
        fields["help"]
            .as_str()
            .unwrap()
            .contains("change the object")
    );

    for line in [
        "mirrorplane_config_diagnostics{code=\"MP505\",severity=\"error\"} 1",
        "mirrorplane_rollouts_started_total 1",
        "mirrorplane_rollouts_ended_total{outcome=\"stopped\"} 1",
        "mirrorplane_rollouts{state=\"stopped\"} 1",
    ] {
        until(|| has_metric(admin, line)).await;
    }
    let (_, json) = get(admin, "/nodes").await;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["rollouts"][0]["state"], "rejected");
    assert_eq!(json["rollouts"][0]["sidecars"], 3);

    // The canary is on what is good again: all are in sync, and still something is not everywhere.
    let good = sidecars[canary].next().await;
    sidecars[canary].answer(&good, None).await;
    let told = "stopped, curl/curl rejected cds: not that";
    until(|| async {
        let (code, text) = status(admin).await;
        code == 1 && text.contains(told) && !text.contains(" pending ")
    })
    .await;

    edit(folder.path(), "mirror.yaml", back, there);
    until(|| async { status(admin).await.0 == 0 }).await;
    let repaired = "mirrorplane_config_diagnostics{code=\"MP505\",severity=\"error\"} 0";
    until(|| has_metric(admin, repaired)).await;
}
