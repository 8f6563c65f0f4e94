//! A shadow in quarantine: its own sidecar keeps it from what is live, and nobody else notices.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;

use super::rig::caller::{Caller, call_http2};
use super::rig::control_plane::ControlPlane;
use super::rig::echo::Echo;
use super::rig::eventually;
use super::rig::free_address;
use super::rig::mesh::Mesh;
use super::rig::sidecar::{Kind, Plane, Sidecar};
use super::rig::stage::URL;

/// The shadow's own Service, which receives nothing but copies.
const SHADOW: &str = "http://pipy-ok-v2.pipy:8080/";

/// The example, with a sidecar for the shadow as well, whose calls are mirrored like those of everybody.
struct Stage {
    // Dropped in this order: the sidecars before the control plane that they would try to reach.
    shadows: Sidecar,
    callers: Sidecar,
    control_plane: ControlPlane,
    mesh: Mesh,
    live: Echo,
    shadow: Echo,
}

impl Stage {
    /// `None` if there is no Envoy to start.
    async fn new(plane: Plane, quarantine: &str) -> Option<Self> {
        let (live, shadow) = (Echo::start("v1").await, Echo::start("v2").await);
        let mesh = Mesh::new(live.address, shadow.address);
        let callers = "    podSelector:\n      matchLabels:\n        app: curl\n";
        mesh.edit("mirror.yaml", callers, "");
        quarantine_is(&mesh, None, quarantine);
        let its_sidecar = free_address();
        let deployment = format!(
            "kind: Deployment\napiVersion: apps/v1\nmetadata: {{name: v2, namespace: pipy}}\n\
             spec: {{template: {{metadata: {{labels: {{app: pipy-ok, version: v2}}, \
             annotations: {{mirrorplane.io/listen: '{its_sidecar}'}}}}}}}}\n"
        );
        mesh.write("shadow.yaml", &deployment);
        let control_plane = ControlPlane::start(mesh.path()).await;
        let at = control_plane.address;
        let shadows = Sidecar::launch_at(plane, at, its_sidecar, "pipy/v2", None, None)?;
        shadows.serves().await;
        let callers = Sidecar::start(plane, &control_plane).await?;
        let this = Self {
            shadows,
            callers,
            control_plane,
            mesh,
            live,
            shadow,
        };
        eventually("callers are answered", || async {
            let answer = this.caller().await.call("GET", URL, b"").await.ok()?;
            (answer.status() == 200).then_some(())
        })
        .await;
        this.shadow.settled().await;
        this.live.settled().await;
        this.live.forget();
        this.shadow.forget();
        Some(this)
    }

    async fn caller(&self) -> Caller {
        Caller::connect(self.callers.proxy).await
    }

    /// What the shadow gets for an answer.
    async fn asks(&self, method: &str, url: &str) -> (u16, Option<String>) {
        let mut caller = Caller::connect(self.shadows.proxy).await;
        let answer = caller.call(method, url, b"").await.unwrap();
        let refused = answer.headers().get("x-mirrorplane-quarantine");
        let refused = refused.map(|value| value.to_str().unwrap().to_owned());
        (answer.status().as_u16(), refused)
    }

    async fn until_it_gets(&self, method: &str, expected: u16) {
        eventually(format_args!("{method} gets {expected}"), || async {
            (self.asks(method, URL).await.0 == expected).then_some(())
        })
        .await;
    }

    fn address_of_live(&self) -> String {
        format!("http://{}/", self.live.address)
    }
}

fn quarantine_is(mesh: &Mesh, before: Option<&str>, now: &str) {
    let key = |value: &str| format!("    quarantine: {value}\n");
    let port = "    port: 8080\n";
    match before {
        Some(before) => mesh.edit("mirror.yaml", &key(before), &key(now)),
        None => mesh.edit("mirror.yaml", port, &format!("{port}{}", key(now))),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shadow_that_may_only_read_changes_nothing_that_is_live() {
    for plane in Plane::ALL {
        let Some(stage) = Stage::new(plane, "read-only").await else {
            continue;
        };
        let refused = (403, Some("read-only".to_owned()));
        // From its first request on.
        assert_eq!(stage.asks("POST", URL).await, refused, "{plane}");
        let by_address = stage.address_of_live();
        for url in [URL, by_address.as_str()] {
            for method in ["GET", "HEAD", "OPTIONS", "TRACE"] {
                assert_eq!(
                    stage.asks(method, url).await,
                    (200, None),
                    "{plane}: {method}"
                );
            }
            for method in ["POST", "PUT", "PATCH", "DELETE", "PURGE"] {
                assert_eq!(stage.asks(method, url).await, refused, "{plane}: {method}");
            }
        }
        let mut caller = Caller::connect(stage.shadows.proxy).await;
        let upgrade = Request::get(URL)
            .header("host", "pipy-ok-v1.pipy:8080")
            .header("connection", "upgrade")
            .header("upgrade", "websocket");
        let upgrade = upgrade.body(Full::<Bytes>::default()).unwrap();
        let answer = caller.send(upgrade).await.unwrap();
        assert_eq!(answer.status(), 403, "{plane}: an upgrade");
        let body = String::from_utf8_lossy(answer.body()).into_owned();
        assert!(
            body.contains("curl/traffic-mirror-config") && body.contains("only GET"),
            "{plane}: {body}"
        );
        let grpc = Request::post(URL)
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(Full::new(Bytes::from_static(b"\0\0\0\0\0")));
        let answer = call_http2(stage.shadows.proxy, grpc.unwrap()).await;
        let is_denied = match plane.kind {
            // As gRPC has it.
            Kind::Envoy => answer.headers()["grpc-status"] == "7",
            Kind::Shim => answer.status() == 403,
        };
        assert!(is_denied, "{plane}: {answer:?}");
        // Who receives nothing but copies can be asked as ever; here no DNS knows the name.
        assert_eq!(stage.asks("POST", SHADOW).await.1, None, "{plane}");

        stage.live.settled().await;
        let seen = stage.live.seen();
        assert!(
            seen.iter()
                .all(|one| ["GET", "HEAD", "OPTIONS", "TRACE"].contains(&&*one.method)),
            "{plane}: {seen:?}"
        );
        // What is refused is told: by whom, and what.
        let log = &stage.control_plane;
        log.logged("MP354").await;
        log.logged("`POST pipy-ok-v1.pipy:8080`").await;
        if plane.kind == Kind::Envoy {
            let counted = stage.shadows.stat("http.outbound.rq_direct_response").await;
            assert_eq!(counted, 13, "{plane}");
        }

        // The primary: answered, and copied.
        stage.live.forget();
        stage.shadow.forget();
        for _ in 0..20 {
            let answer = stage.caller().await.call("POST", URL, b"a body").await;
            let answer = answer.unwrap();
            assert_eq!(answer.status(), 200, "{plane}");
            assert_eq!(&answer.body()[..], b"a body", "{plane}");
        }
        stage.live.settled().await;
        stage.shadow.settled().await;
        assert_eq!(
            (stage.live.count(), stage.shadow.count()),
            (20, 20),
            "{plane}"
        );
        assert!(!log.log().contains("MP503"), "{plane}: {}", log.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quarantine_is_changed_and_ended_at_once_and_outlives_the_control_plane() {
    for plane in Plane::ALL {
        let Some(mut stage) = Stage::new(plane, "deny").await else {
            continue;
        };
        let denied = (403, Some("deny".to_owned()));
        assert_eq!(stage.asks("GET", URL).await, denied, "{plane}");
        assert_eq!(stage.asks("GET", &stage.address_of_live()).await, denied);
        assert_eq!(stage.asks("GET", SHADOW).await.1, None, "{plane}");

        stage.control_plane.kill();
        assert_eq!(stage.asks("POST", URL).await, denied, "{plane}");
        stage.control_plane.restart().await;
        // That it listens to the new one shows by a change, until which nothing passes.
        quarantine_is(&stage.mesh, Some("deny"), "read-only");
        eventually("the sidecar is back", || async {
            assert_eq!(stage.asks("POST", URL).await.0, 403, "{plane}");
            (stage.asks("GET", URL).await.0 == 200).then_some(())
        })
        .await;

        // A stop is of copies; a shadow without copies is still no live service.
        stage.mesh.share("0");
        quarantine_is(&stage.mesh, Some("read-only"), "deny");
        stage.until_it_gets("GET", 403).await;
        quarantine_is(&stage.mesh, Some("deny"), "read-only");
        stage.until_it_gets("GET", 200).await;
        assert_eq!(stage.asks("POST", URL).await.0, 403, "{plane}");
        quarantine_is(&stage.mesh, Some("read-only"), "off");
        stage.until_it_gets("POST", 200).await;
        quarantine_is(&stage.mesh, Some("off"), "deny");
        stage.until_it_gets("GET", 403).await;
        // The switch for everything, and the rule itself.
        let switch = ["enablePluginPolicy: true", "enablePluginPolicy: false"];
        stage.mesh.edit("mirror.yaml", switch[0], switch[1]);
        stage.until_it_gets("POST", 200).await;
        stage.mesh.edit("mirror.yaml", switch[1], switch[0]);
        stage.until_it_gets("GET", 403).await;
        let mirror = stage.mesh.read("mirror.yaml");
        let (rest, _) = mirror.rsplit_once("---\n").unwrap();
        stage.mesh.write("mirror.yaml", rest);
        let by_address = stage.address_of_live();
        eventually("the quarantine ends with the rule", || async {
            (stage.asks("POST", &by_address).await == (200, None)).then_some(())
        })
        .await;
        assert!(!stage.control_plane.log().contains("MP503"), "{plane}");
    }
}
