//! The seed from top to bottom: its manifests, in its order, end in requests that are mirrored by an injected Envoy.

use tokio::time::Instant;

use crate::mesh::{HOST, Mesh, settled};
use crate::rig::eventually;

#[tokio::test(flavor = "multi_thread")]
async fn the_manifests_of_the_seed_end_in_mirroring() {
    let Some(mesh) = Mesh::start().await else {
        return;
    };
    let kubectl = async |arguments: &[&str]| mesh.cluster.kubectl(arguments).await.ok();
    let serve = mesh.serve().await;
    let (services, caller) = mesh.seed(&serve).await;
    settled(&services.shadow).await;
    services.primary.forget();
    services.shadow.forget();
    for _ in 0..20 {
        assert_eq!(caller.call(&services.address, HOST).await.unwrap(), "v1");
    }
    assert_eq!(settled(&services.shadow).await, 20);
    assert_eq!(services.primary.count(), 20);
    assert_eq!(services.shadow.seen()[0].host, "pipy-ok-v2.pipy:8080");

    // What kubectl says about it.
    let shown = eventually("its status", async || {
        let shown = kubectl(&["get", "picfg", "-A"]).await;
        (shown.contains("pipy/pipy-ok-v2:8080") && shown.contains("1/1")).then_some(shown)
    })
    .await;
    assert!(shown.contains("100%"), "{shown}");

    // A change of the share is a matter of a moment, and of the runtime alone.
    let before = caller.updates().await;
    assert!(before.len() > 3, "{before:?}");
    let half = r#"[{"op":"replace","path":"/spec/config/percentage/value","value":0.25}]"#;
    let patch = "patch picfg traffic-mirror-config -n curl --type=json -p";
    let patch: Vec<&str> = patch.split(' ').chain([half]).collect();
    let start = Instant::now();
    kubectl(&patch).await;
    let accepted = start.elapsed();
    eventually("the share in the sidecar", async || {
        let runtime = caller.admin("runtime").await;
        let runtime: serde_json::Value = serde_json::from_str(&runtime).ok()?;
        let entry = &runtime["entries"]["mirror.curl.traffic-mirror-config"];
        entry["final_value"].as_str()?.contains("25").then_some(())
    })
    .await;
    eprintln!(
        "from `kubectl patch` to its effect: {:?}, of which kubectl {accepted:?}",
        start.elapsed()
    );
    let after = caller.updates().await;
    // All but the runtime, which RTDS updates.
    let others = |updates: &[(String, u64)]| -> Vec<(String, u64)> {
        let others = updates
            .iter()
            .filter(|(name, _)| name != "runtime.update_success");
        others.cloned().collect()
    };
    assert_eq!(others(&before), others(&after));
    assert_ne!(before, after);
    services.primary.forget();
    services.shadow.forget();
    for _ in 0..200 {
        assert_eq!(caller.call(&services.address, HOST).await.unwrap(), "v1");
    }
    let copies = settled(&services.shadow).await;
    // 50 of 200 are expected; beyond five standard deviations something else is at work.
    assert!((20..=80).contains(&copies), "{copies} of 200");

    // Away with it.
    kubectl(&["delete", "picfg", "traffic-mirror-config", "-n", "curl"]).await;
    eventually("nothing is mirrored", async || {
        services.shadow.forget();
        for _ in 0..20 {
            assert_eq!(caller.call(&services.address, HOST).await.unwrap(), "v1");
        }
        (settled(&services.shadow).await == 0).then_some(())
    })
    .await;
}
