//! Copies for some of the Pods of a Service.

use super::rig::echo::Echo;
use super::rig::eventually;
use super::rig::mesh;
use super::rig::sidecar::{Kind, Plane};
use super::rig::stage::{Stage, URL};

/// A Service over two Pods, of version v2 and v3, and a second mirror, of all requests to the latter.
const TWO: &str = r#"
apiVersion: v1
kind: Service
metadata: { name: pipy-ok, namespace: pipy }
spec:
  selector: { app: pipy-ok }
  ports: [{ name: pipy, port: 8080 }]
---
apiVersion: v1
kind: Pod
metadata: { name: two, namespace: pipy, labels: { app: pipy-ok, version: v2 } }
---
apiVersion: v1
kind: Pod
metadata: { name: three, namespace: pipy, labels: { app: pipy-ok, version: v3 } }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: pipy-ok-two, namespace: pipy, labels: { kubernetes.io/service-name: pipy-ok } }
addressType: IPv4
endpoints: [{ addresses: ["127.0.0.1"], targetRef: { kind: Pod, name: two } }]
ports: [{ name: pipy, port: 8082 }]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: pipy-ok-three, namespace: pipy, labels: { kubernetes.io/service-name: pipy-ok } }
addressType: IPv4
endpoints: [{ addresses: ["127.0.0.1"], targetRef: { kind: Pod, name: three } }]
ports: [{ name: pipy, port: 8083 }]
---
apiVersion: plugin.flomesh.io/v1alpha1
kind: PluginConfig
metadata: { name: second, namespace: curl }
spec:
  plugin: second
  destinationRefs: [{ kind: Service, name: pipy-ok-v1, namespace: pipy }]
  config:
    { namespace: pipy, service: pipy-ok, port: 8080, subset: { labels: { version: v3 } }, percentage: { value: 1.0 } }
"#;

const REQUESTS: usize = 20;

/// How many copies of some requests each of the two gets. All requests are answered by the live service.
async fn copies(stage: &Stage, second: &Echo) -> [usize; 2] {
    stage.shadow.forget();
    second.forget();
    let mut caller = stage.caller().await;
    for _ in 0..REQUESTS {
        let answer = caller.call("GET", URL, b"").await.unwrap();
        assert_eq!(answer.headers()["x-served-by"], "v1", "{stage}");
    }
    [stage.shadow.settled().await, second.settled().await]
}

/// Waits until each of the two gets so many copies of each request.
async fn get(stage: &Stage, second: &Echo, times: [usize; 2]) {
    let expected = times.map(|times| times * REQUESTS);
    eventually(format_args!("{stage}: {times:?} copies each"), || async {
        (copies(stage, second).await == expected).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_subset_gets_its_own_copies_and_a_label_says_who_is_in_it() {
    for plane in Plane::ALL {
        let Some(stage) = Stage::new(plane).await else {
            continue;
        };
        let second = Echo::start("v3").await;
        let ports = [&stage.shadow, &second].map(|echo| echo.address.port().to_string());
        stage.mesh.write("plugin.yaml", mesh::SECOND);
        stage.mesh.write(
            "two.yaml",
            &TWO.replace("8082", &ports[0]).replace("8083", &ports[1]),
        );
        stage.mesh.edit(
            "mirror.yaml",
            "    service: pipy-ok-v2\n    port: 8080\n",
            "    service: pipy-ok\n    port: 8080\n    subset: {labels: {version: v2}}\n",
        );
        get(&stage, &second, [1, 1]).await;
        let seen = stage.shadow.seen().pop().unwrap();
        assert_eq!(
            seen.headers["x-mirror-shadow"], "curl/traffic-mirror-config",
            "{stage}"
        );
        assert_eq!(seen.host, "pipy-ok.pipy:8080", "{stage}");

        if plane.kind == Kind::Envoy {
            let count = async |rule: &str, version: &str| {
                let cluster = format!("shadow|curl/{rule}|pipy/pipy-ok|8080|version={version}");
                stage.sidecar.stat_of(&cluster, "upstream_rq_total").await
            };
            let before = [
                count("traffic-mirror-config", "v2").await,
                count("second", "v3").await,
            ];
            copies(&stage, &second).await;
            let after = [
                count("traffic-mirror-config", "v2").await,
                count("second", "v3").await,
            ];
            assert_eq!(
                after,
                before.map(|count| count + REQUESTS as u64),
                "{stage}"
            );
        }

        // One Pod changes sides, and nothing but endpoints with it.
        let structure = stage.sidecar.structure().await;
        stage.mesh.edit(
            "two.yaml",
            "version: v2 } }\n---\napiVersion: v1",
            "version: v3 } }\n---\napiVersion: v1",
        );
        eventually(format_args!("{stage}: v2 is nobody"), || async {
            let [one, other] = copies(&stage, &second).await;
            // The two of v3 share the copies of one mirror.
            (one + other == REQUESTS && one > 0 && other > 0).then_some(())
        })
        .await;
        stage.control_plane.logged("MP324").await;
        assert_eq!(stage.sidecar.structure().await, structure, "{stage}");

        // Without a Pod that is known, nobody is asked instead.
        stage.mesh.edit(
            "two.yaml",
            "targetRef: { kind: Pod",
            "targetRef: { kind: Node",
        );
        get(&stage, &second, [0, 0]).await;
        stage.control_plane.logged("MP328").await;
        stage.assert_no_nack();
    }
}
