//! How a copy differs from its request, and that it differs in nothing else.

use http::HeaderMap;
use http_body_util::Full;
use hyper::Request;

use super::rig::echo::Seen;
use super::rig::eventually;
use super::rig::sidecar::Plane;
use super::rig::stage::{Stage, URL};

/// What a caller may say of itself, and of the client behind it.
const SAID: [(&str, &str); 7] = [
    ("authorization", "Bearer caller"),
    ("proxy-authorization", "Basic Y2FsbGVy"),
    ("cookie", "session=caller"),
    ("x-forwarded-for", "192.0.2.7, 198.51.100.8"),
    ("x-b3-traceid", "80f198ee56343ba864fe8b2a57d3eff7"),
    ("x-env", "live"),
    ("x-team", "blue"),
];

/// Sends one request and yields it as the live service and the shadow saw it.
async fn ask(stage: &Stage, path: &str, said: &[(&str, &str)]) -> Option<(Seen, Seen)> {
    stage.live.forget();
    stage.shadow.forget();
    let mut request = Request::get(format!("{}{path}", URL.trim_end_matches('/')))
        .header("host", "pipy-ok-v1.pipy:8080");
    for (name, value) in said {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::default()).unwrap();
    let answer = stage.caller().await.send(request).await.unwrap();
    assert_eq!(answer.headers()["x-served-by"], "v1", "{stage}");
    stage.shadow.settled().await;
    Some((stage.live.seen().pop()?, stage.shadow.seen().pop()?))
}

/// The same, once the copy is as the newest configuration has it.
async fn ask_until(stage: &Stage, path: &str, is_new: impl Fn(&Seen) -> bool) -> (Seen, Seen) {
    eventually(format_args!("{stage}: a new copy"), || async {
        ask(stage, path, &SAID)
            .await
            .filter(|(_, copy)| is_new(copy))
    })
    .await
}

/// Without what tells a copy from its request.
fn rest(seen: &Seen) -> HeaderMap {
    let mut headers = seen.headers.clone();
    for name in ["host", "x-mirror-shadow"] {
        headers.remove(name);
    }
    headers
}

/// Adds keys to `spec.config`.
fn configure(stage: &Stage, keys: &str) {
    stage.mesh.edit(
        "mirror.yaml",
        "    percentage:\n",
        &format!("{keys}    percentage:\n"),
    );
}

fn values<'a>(seen: &'a Seen, name: &str) -> Vec<&'a str> {
    let values = seen.headers.get_all(name).iter();
    values.map(|value| value.to_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_what_the_live_service_sees_but_for_its_host_and_its_mark() {
    for plane in Plane::ALL {
        let Some(stage) = Stage::new(plane).await else {
            continue;
        };
        for said in [
            &[][..],
            &SAID,
            // What only the sidecar may note.
            &[("x-mirrorplane-xff", "203.0.113.9")],
        ] {
            let (live, copy) = ask(&stage, "/a?b=c", said).await.expect("a copy");
            assert_eq!(rest(&copy), rest(&live), "{stage}");
            assert_eq!(copy.path, live.path, "{stage}");
            assert_eq!(copy.host, "pipy-ok-v2.pipy:8080", "{stage}");
            assert_eq!(
                copy.headers["x-mirror-shadow"], "curl/traffic-mirror-config",
                "{stage}"
            );
            assert!(!copy.headers.contains_key("x-envoy-internal"), "{stage}");
        }
        stage.assert_no_nack();
    }
}

const POLICY: &str = r#"    host: v2.test:8080
    credentials: strip
    headers:
      set: {X-Env: 100% shadow, authorization: Bearer shadow}
      add: {x-team: green}
      remove: [x-b3-traceid]
    path: {replacePrefix: {from: /api, to: /shadow/api}}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_changed_as_the_rule_says_and_its_request_is_not() {
    for plane in Plane::ALL {
        let Some(stage) = Stage::new(plane).await else {
            continue;
        };
        configure(&stage, POLICY);
        let is_new = |copy: &Seen| copy.host == "v2.test:8080";
        let (live, copy) = ask_until(&stage, "/api/items?q=/api", is_new).await;
        for (name, value) in SAID {
            assert_eq!(
                values(&live, name),
                [value],
                "{stage}: the request keeps it"
            );
        }
        assert_eq!(live.path, "/api/items?q=/api", "{stage}");
        assert_eq!(copy.path, "/shadow/api/items?q=/api", "{stage}");
        assert_eq!(values(&copy, "x-env"), ["100% shadow"], "{stage}");
        assert_eq!(values(&copy, "x-team"), ["blue", "green"], "{stage}");
        assert_eq!(values(&copy, "authorization"), ["Bearer shadow"], "{stage}");
        for gone in ["proxy-authorization", "cookie", "x-b3-traceid"] {
            assert_eq!(values(&copy, gone), [""; 0], "{stage}: {gone}");
        }
        assert_eq!(
            values(&copy, "x-forwarded-for"),
            values(&live, "x-forwarded-for"),
            "{stage}"
        );
        for (path, expected) in [
            ("/api", "/shadow/api"),
            ("/api?q", "/shadow/api?q"),
            ("/apis", "/apis"),
            ("/", "/"),
        ] {
            let (live, copy) = ask(&stage, path, &[]).await.expect("a copy");
            assert_eq!((&*live.path, &*copy.path), (path, expected), "{stage}");
        }
        stage.assert_no_nack();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_may_keep_the_host_or_have_a_suffix_and_one_path_for_all() {
    for plane in Plane::ALL {
        let Some(stage) = Stage::new(plane).await else {
            continue;
        };
        configure(
            &stage,
            "    host: keep\n    path: {replaceFull: /a%20%22%5c}\n",
        );
        let is_new = |copy: &Seen| copy.host == "pipy-ok-v1.pipy:8080";
        let (_, copy) = ask_until(&stage, "/x/y?q=1", is_new).await;
        assert_eq!(copy.path, "/a%20%22%5c?q=1", "{stage}");
        let (_, copy) = ask(&stage, "/x", &[]).await.expect("a copy");
        assert_eq!(copy.path, "/a%20%22%5c", "{stage}");

        stage.mesh.edit("mirror.yaml", "host: keep", "host: suffix");
        let is_new = |copy: &Seen| copy.host == "pipy-ok-v1.pipy-shadow:8080";
        ask_until(&stage, "/", is_new).await;
        stage.assert_no_nack();
    }
}

/// The shadow, under another Service in a namespace of its own.
fn elsewhere(port: u16) -> String {
    format!(
        r#"apiVersion: v1
kind: Service
metadata: {{ name: v2, namespace: lab }}
spec: {{ ports: [{{ port: 8080 }}] }}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{ name: v2, namespace: lab, labels: {{ kubernetes.io/service-name: v2 }} }}
addressType: IPv4
endpoints: [{{ addresses: ["127.0.0.1"] }}]
ports: [{{ port: {port} }}]
"#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_stay_in_their_namespace_unless_the_rule_says_otherwise() {
    for plane in Plane::ALL {
        let Some(stage) = Stage::new(plane).await else {
            continue;
        };
        stage
            .mesh
            .write("lab.yaml", &elsewhere(stage.shadow.address.port()));
        stage.mesh.edit(
            "mirror.yaml",
            "    namespace: pipy\n    service: pipy-ok-v2\n",
            "    namespace: lab\n    service: v2\n",
        );
        let is_new = |copy: &Seen| copy.host.starts_with("v2.");
        let (live, copy) = ask_until(&stage, "/", is_new).await;
        let credentials = ["authorization", "proxy-authorization", "cookie"];
        for name in credentials {
            assert_eq!(values(&live, name).len(), 1, "{stage}: {name}");
            assert_eq!(values(&copy, name).len(), 0, "{stage}: {name}");
        }
        stage.control_plane.logged("MP341").await;

        configure(&stage, "    credentials: keep\n");
        let is_new = |copy: &Seen| copy.headers.contains_key("cookie");
        let (live, copy) = ask_until(&stage, "/", is_new).await;
        assert_eq!(rest(&copy), rest(&live), "{stage}");
        stage.assert_no_nack();
    }
}
