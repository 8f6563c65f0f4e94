//! Two mirrors that point at each other, as the proxy's clusters can, end the proxy with the first request.

use serde_json::{Value, json};

use super::naive::{self, Naive};
use super::rig::caller::{Caller, load};
use super::rig::echo::Echo;
use super::rig::eventually;
use super::rig::sidecar::{Plane, Sidecar};
use super::rig::stage::{Stage, URL};
use super::upstream_filters::golden_resources;

const REQUESTS: usize = 50;

/// Sends one request, whatever becomes of it, and waits for the end of the Envoy.
pub(crate) async fn dies_of_a_request(envoy: &mut Sidecar) {
    let mut caller = Caller::connect(envoy.proxy).await;
    caller.call("GET", naive::URL, b"").await.ok();
    for _ in 0..1000 {
        if let Some(end) = envoy.end() {
            assert!(!end.success(), "{end}");
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the control is still alive");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_services_that_mirror_to_each_other_do_no_harm() {
    let (one, two) = (Echo::start("v1").await, Echo::start("v2").await);
    let to = |cluster| json!({ "request_mirror_policies": [{ "cluster": cluster }] });
    let clusters = vec![
        naive::cluster_with("one", one.address, to("two")),
        naive::cluster_with("two", two.address, to("one")),
    ];
    let routes = json!([{ "match": { "prefix": "/" }, "route": { "cluster": "one" } }]);
    let Some(mut envoy) = Naive::new(routes, clusters).start().await else {
        return;
    };
    dies_of_a_request(&mut envoy).await;

    for plane in Plane::ALL {
        let Some(mut stage) = Stage::new(plane).await else {
            continue;
        };
        stage.mesh.write("back.yaml", BACK);
        let back = URL.replace("v1", "v2");
        stage.control_plane.logged("MP333").await;
        eventually("the shadow is a destination as well", || async {
            let mut caller = Caller::connect(stage.sidecar.proxy).await;
            let answer = caller.call("GET", &back, b"").await.ok()?;
            (answer.status() == 200).then_some(())
        })
        .await;
        // The way back is left out: v1, which is live, gets no copy.
        for (url, answers, live) in [(URL, "v1", REQUESTS), (&back, "v2", 0)] {
            stage.live.settled().await;
            stage.shadow.settled().await;
            stage.live.forget();
            stage.shadow.forget();
            let sent = load(stage.sidecar.proxy, url, REQUESTS, 2, answers).await;
            assert_eq!(sent.failures.first(), None, "{stage}: {url}");
            let seen = (stage.live.settled().await, stage.shadow.settled().await);
            assert_eq!(seen, (live, REQUESTS), "{stage}: {url}");
        }
        assert_eq!(stage.sidecar.end(), None, "{stage}");
        stage.assert_no_nack();
    }
}

/// What is mirrored from v2 to v1, beside the example's mirror from v1 to v2.
const BACK: &str = "
apiVersion: plugin.flomesh.io/v1alpha1
kind: PluginConfig
metadata: { name: way-back, namespace: curl }
spec:
  plugin: traffic-mirror
  destinationRefs: [{ kind: Service, name: pipy-ok-v2, namespace: pipy }]
  config: { namespace: pipy, service: pipy-ok-v1, port: 8080, percentage: { value: 1.0 } }
";

/// Whether a mirror hangs on a cluster, where copies are copied.
fn mirrors_itself(cluster: &Value) -> bool {
    let options = cluster["typed_extension_protocol_options"].as_object();
    let mut options = options.into_iter().flat_map(|options| options.values());
    options.any(|options| !options["request_mirror_policies"].is_null())
}

#[test]
fn no_mirror_hangs_on_a_cluster() {
    let control = naive::cluster_with(
        "one",
        "127.0.0.1:1".parse().unwrap(),
        json!({ "request_mirror_policies": [] }),
    );
    assert!(mirrors_itself(&control));
    for (case, resources) in golden_resources() {
        for cluster in resources["clusters"].as_array().unwrap() {
            assert!(!mirrors_itself(cluster), "{case}: {cluster:#}");
        }
    }
}
