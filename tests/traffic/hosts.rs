//! By which names a mirrored service is known, and under which name its copies travel.

use http_body_util::Full;
use hyper::Request;

use super::rig::eventually;
use super::rig::sidecar::Plane;
use super::rig::stage::{Stage, URL};

/// A Host of the primary, and that of its copy: the first label is the mirror's name.
const FORMS: [(&str, &str); 11] = [
    ("pipy-ok-v1.pipy:8080", "pipy-ok-v2.pipy:8080"),
    ("pipy-ok-v1.pipy", "pipy-ok-v2.pipy"),
    ("pipy-ok-v1.pipy.svc:8080", "pipy-ok-v2.pipy.svc:8080"),
    ("pipy-ok-v1.pipy.svc", "pipy-ok-v2.pipy.svc"),
    (
        "pipy-ok-v1.pipy.svc.cluster:8080",
        "pipy-ok-v2.pipy.svc.cluster:8080",
    ),
    ("pipy-ok-v1.pipy.svc.cluster", "pipy-ok-v2.pipy.svc.cluster"),
    (
        "pipy-ok-v1.pipy.svc.cluster.local:8080",
        "pipy-ok-v2.pipy.svc.cluster.local:8080",
    ),
    (
        "pipy-ok-v1.pipy.svc.cluster.local",
        "pipy-ok-v2.pipy.svc.cluster.local",
    ),
    (
        "pipy-ok-v1.pipy.svc.cluster.local.:8080",
        "pipy-ok-v2.pipy.svc.cluster.local.:8080",
    ),
    ("PIPY-OK-V1.Pipy:8080", "pipy-ok-v2.pipy:8080"),
    ("10.96.0.11:8080", "10.96.0.11:8080"),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_form_of_the_name_works_and_the_copy_follows_it() {
    for plane in Plane::ALL {
        let Some(stage) = Stage::new(plane).await else {
            continue;
        };
        stage.mesh.edit(
            "services.yaml",
            "spec:\n  selector:\n    app: pipy-ok\n    version: v1",
            "spec:\n  clusterIP: 10.96.0.11\n  selector:\n    app: pipy-ok\n    version: v1",
        );
        let mut caller = stage.caller().await;
        eventually("the service's address is known", || async {
            let mut caller = stage.caller().await;
            let answer = caller
                .call("GET", "http://10.96.0.11:8080/", b"")
                .await
                .ok()?;
            (answer.status() == 200).then_some(())
        })
        .await;
        for (host, copied_host) in FORMS {
            stage.shadow.settled().await;
            stage.live.forget();
            stage.shadow.forget();
            let answer = caller
                .call("GET", &format!("http://{host}/"), b"")
                .await
                .unwrap();
            assert_eq!(answer.headers()["x-served-by"], "v1", "{stage}: {host}");
            let copy = eventually(format_args!("{stage}: a copy for {host}"), || async {
                stage.shadow.seen().pop()
            })
            .await;
            assert_eq!(copy.host, copied_host, "{stage}");
            assert!(
                stage.live.seen()[0].host.eq_ignore_ascii_case(host),
                "{stage}: the live service sees the caller's Host"
            );
        }
        stage.assert_no_nack();
    }
}

/// A second rule of the same plugin, for a service beside the caller, mirrored to another target.
fn near(port: u16) -> String {
    format!(
        r#"apiVersion: v1
kind: Service
metadata: {{ name: near, namespace: curl }}
spec: {{ ports: [{{ port: 8080 }}] }}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{ name: near, namespace: curl, labels: {{ kubernetes.io/service-name: near }} }}
addressType: IPv4
endpoints: [{{ addresses: ["127.0.0.1"] }}]
ports: [{{ port: {port} }}]
---
apiVersion: plugin.flomesh.io/v1alpha1
kind: PluginConfig
metadata: {{ name: near, namespace: curl }}
spec:
  plugin: traffic-mirror
  destinationRefs: [{{ kind: Service, name: near, namespace: curl }}]
  config: {{ namespace: pipy, service: pipy-ok-v1, port: 8080, percentage: {{ value: 1 }} }}
"#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_name_works_in_the_caller_s_namespace_and_rules_do_not_overwrite_each_other() {
    for plane in Plane::ALL {
        let Some(stage) = Stage::new(plane).await else {
            continue;
        };
        stage
            .mesh
            .write("near.yaml", &near(stage.shadow.address.port()));
        let copy = eventually(format_args!("{stage}: near is mirrored to v1"), || async {
            stage
                .caller()
                .await
                .call("GET", "http://near:8080/", b"")
                .await
                .ok()?;
            stage.shadow.settled().await;
            stage.live.seen().pop()
        })
        .await;
        assert_eq!(copy.host, "pipy-ok-v1:8080", "{stage}");
        assert_eq!(copy.headers["x-mirror-shadow"], "curl/near", "{stage}");

        stage.live.forget();
        stage.shadow.forget();
        stage
            .caller()
            .await
            .call("GET", "http://pipy-ok-v1.pipy:8080/", b"")
            .await
            .unwrap();
        let copy = eventually(
            format_args!("{stage}: the first rule still holds"),
            || async { stage.shadow.seen().pop() },
        )
        .await;
        assert_eq!(
            copy.headers["x-mirror-shadow"], "curl/traffic-mirror-config",
            "{stage}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_hosts_pass_through_and_the_proxy_does_not_call_itself() {
    for plane in Plane::ALL {
        let Some(stage) = Stage::new(plane).await else {
            continue;
        };
        let mut caller = stage.caller().await;
        let direct = format!("http://{}/direct", stage.shadow.address);
        let answer = caller.call("POST", &direct, b"not mirrored").await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.body()[..]),
            (200, &b"not mirrored"[..]),
            "{stage}"
        );
        assert_eq!(
            stage.shadow.settled().await,
            1,
            "{stage}: once, and no copy"
        );

        let port = stage.sidecar.proxy.port();
        for itself in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0.0.0.0",
            "localhost",
            "localhost.",
            "foo.localhost",
            "any.name.at.all",
            "[::1]",
            "[::ffff:127.0.0.1]",
        ] {
            for url in [
                format!("http://{itself}:{port}/"),
                format!("http://{itself}:0{port}/"),
            ] {
                let answer = stage.caller().await.call("GET", &url, b"").await.unwrap();
                assert_eq!(
                    answer.status(),
                    508,
                    "{stage}: {url} does not go round for ever"
                );
            }
        }
        stage.assert_no_nack();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_not_copied_again() {
    for plane in Plane::ALL {
        let Some(stage) = Stage::new(plane).await else {
            continue;
        };
        let request = Request::get(URL)
            .header("host", "pipy-ok-v1.pipy:8080")
            .header("x-mirror-shadow", "some/rule")
            .body(Full::default())
            .unwrap();
        let answer = stage.caller().await.send(request).await.unwrap();
        assert_eq!(answer.headers()["x-served-by"], "v1", "{stage}");
        assert_eq!(stage.shadow.settled().await, 0, "{stage}");
        assert_eq!(stage.live.count(), 1, "{stage}");
    }
}
