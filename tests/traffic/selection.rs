//! A mirror copies the requests that it is for, and no others; all of them are answered alike.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;

use super::rig::eventually;
use super::rig::sidecar::Plane;
use super::rig::stage::{Stage, URL};

/// Puts keys into the configuration of the example.
fn configure(stage: &Stage, keys: &str) {
    let port = "    port: 8080\n";
    stage
        .mesh
        .edit("mirror.yaml", port, &format!("{port}    {keys}\n"));
}

/// Whether a request is copied.
async fn copied(stage: &Stage, method: &str, path: &str, headers: &[(&str, &str)]) -> bool {
    stage.shadow.forget();
    stage.live.forget();
    let mut request = Request::builder()
        .method(method)
        .uri(format!("{URL}{path}"))
        .header("host", "pipy-ok-v1.pipy:8080");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::<Bytes>::default()).unwrap();
    let answer = stage.caller().await.send(request).await.unwrap();
    assert_eq!(answer.status(), 200, "{stage}");
    assert_eq!(answer.headers()["x-served-by"], "v1", "{stage}");
    assert_eq!(stage.live.seen()[0].path, format!("/{path}"), "{stage}");
    stage.shadow.settled().await == 1
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_requests_that_a_mirror_is_for_are_copied() {
    for plane in Plane::ALL.into_iter().filter(|plane| plane.delta) {
        let Some(stage) = Stage::new(plane).await else {
            continue;
        };
        configure(
            &stage,
            "methods: [GET, PUT]\n    match:\n      path: {regex: \"/api/(?:a|b.*)\"}\n      \
             headers:\n        - {name: X-Tenant, prefix: blue}\n        \
             - {name: x-off, exact: \"1\", invert: true}\n        \
             - {name: x-gone, present: false}\n      \
             queryParams: [{name: q, regex: \"[0-9]+\"}]",
        );
        let blue = ("x-tenant", "blue-1");
        eventually("the selection has an effect", || async {
            (!copied(&stage, "POST", "api/a?q=1", &[blue]).await).then_some(())
        })
        .await;
        for (method, path, headers, expected) in [
            ("GET", "api/a?q=1", &[blue][..], true),
            ("PUT", "api/a?p=0&q=12", &[blue], true),
            ("DELETE", "api/a?q=1", &[blue], false),
            ("GET", "api/bcd?q=1&r=/a", &[blue], true),
            // The query is no part of the path.
            ("GET", "api/?q=1&r=/api/a", &[blue], false),
            ("GET", "api/c?q=1", &[blue], false),
            ("GET", "api/a", &[blue], false),
            ("GET", "api/a?q=x", &[blue], false),
            // Not decoded, and the first counts.
            ("GET", "api/a?q=%31", &[blue], false),
            ("GET", "api/a?q=x&q=1", &[blue], false),
            ("GET", "api/a?q=1&q=x", &[blue], true),
            ("GET", "api/a?q=1", &[], false),
            ("GET", "api/a?q=1", &[("x-tenant", "red")], false),
            ("GET", "api/a?q=1", &[blue, ("x-off", "1")], false),
            ("GET", "api/a?q=1", &[blue, ("x-off", "0")], true),
            ("GET", "api/a?q=1", &[blue, ("x-gone", "")], false),
        ] {
            let found = copied(&stage, method, path, headers).await;
            assert_eq!(found, expected, "{stage}: {method} {path} {headers:?}");
        }
        stage.assert_no_nack();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_is_compared_without_its_query() {
    for plane in Plane::ALL.into_iter().filter(|plane| plane.delta) {
        let Some(stage) = Stage::new(plane).await else {
            continue;
        };
        let long = "x".repeat(400);
        for (key, inside, outside) in [
            (
                format!("exact: /{long}"),
                vec![long.clone(), format!("{long}?a")],
                vec![format!("{long}y"), String::new()],
            ),
            (
                "prefix: /a/b".to_owned(),
                vec!["a/b".to_owned(), "a/bc?d".to_owned()],
                vec!["a?/a/b".to_owned()],
            ),
        ] {
            let before = stage.mesh.read("mirror.yaml");
            configure(&stage, &format!("match: {{path: {{{key}}}}}"));
            eventually("the selection has an effect", || async {
                (!copied(&stage, "GET", "elsewhere", &[]).await).then_some(())
            })
            .await;
            for path in inside {
                assert!(copied(&stage, "GET", &path, &[]).await, "{stage}: {path}");
            }
            for path in outside {
                assert!(!copied(&stage, "GET", &path, &[]).await, "{stage}: {path}");
            }
            stage.mesh.write("mirror.yaml", &before);
            eventually("all is copied", || async {
                copied(&stage, "GET", "elsewhere", &[]).await.then_some(())
            })
            .await;
        }
        stage.assert_no_nack();
    }
}
