//! Mirrors that lead in a circle: a request has one copy, and a copy has none.

use http::Request;
use http_body_util::Full;

use super::rig::echo::{Echo, Seen};
use super::rig::eventually;
use super::rig::sidecar::Plane;
use super::rig::stage::{Stage, URL};

/// The shadow's own address, which callers may use as well.
const SHADOW: &str = "http://pipy-ok-v2.pipy:8080/";

/// How many requests each service gets.
const REQUESTS: usize = 50;

/// The requests that are copies, and those that are not.
fn marked(service: &Echo) -> (usize, usize) {
    let is_copy = |seen: &&Seen| seen.headers.contains_key("x-mirror-shadow");
    let seen = service.seen();
    let copies = seen.iter().filter(is_copy).count();
    (copies, seen.len() - copies)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_services_that_mirror_to_each_other_copy_each_request_once_at_most() {
    for plane in Plane::ALL {
        let Some(stage) = Stage::new(plane).await else {
            continue;
        };
        // The example's rule comes first by name.
        let there = stage.mesh.read("mirror.yaml");
        let (_, rule) = there.rsplit_once("---\n").unwrap();
        let back = rule
            .replace("name: traffic-mirror-config", "name: way-back")
            .replace("pipy-ok-v2", "TARGET")
            .replace("pipy-ok-v1", "pipy-ok-v2")
            .replace("TARGET", "pipy-ok-v1");
        stage.mesh.write("back.yaml", &back);
        stage.control_plane.logged("MP333").await;
        eventually("the sidecar knows the shadow as a destination", || async {
            let answer = stage.caller().await.call("GET", SHADOW, b"").await.ok()?;
            (answer.status() == 200).then_some(())
        })
        .await;
        stage.shadow.settled().await;
        stage.live.settled().await;
        stage.live.forget();
        stage.shadow.forget();

        let mut caller = stage.caller().await;
        for (url, by) in [(URL, "v1"), (SHADOW, "v2")].repeat(REQUESTS) {
            let answer = caller.call("POST", url, b"a body").await.unwrap();
            assert_eq!(answer.headers()["x-served-by"], by, "{stage}");
        }
        stage.live.settled().await;
        stage.shadow.settled().await;
        assert_eq!(
            (marked(&stage.live), marked(&stage.shadow)),
            ((0, REQUESTS), (REQUESTS, REQUESTS)),
            "{stage}: what was asked of v1 is copied to v2, once; v1, which is live, gets no copy"
        );

        // A shadow that hands on what it gets hands on the mark.
        for url in [URL, SHADOW] {
            let host = url.split('/').nth(2).unwrap();
            let request = Request::get(url)
                .header("host", host)
                .header("x-mirror-shadow", "curl/traffic-mirror-config");
            let request = request.body(Full::default()).unwrap();
            assert_eq!(caller.send(request).await.unwrap().status(), 200, "{stage}");
        }
        stage.live.settled().await;
        stage.shadow.settled().await;
        assert_eq!(
            (stage.live.count(), stage.shadow.count()),
            (REQUESTS + 1, 2 * REQUESTS + 1),
            "{stage}: a copy is not copied"
        );
        stage.assert_no_nack();
    }
}
