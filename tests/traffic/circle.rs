//! Mirrors that lead in a circle: a request has one copy, and a copy has none.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use hyper::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::rig::caller::Caller;
use super::rig::control_plane::ControlPlane;
use super::rig::echo::{Echo, Seen};
use super::rig::mesh::Mesh;
use super::rig::sidecar::{Plane, Sidecar};
use super::rig::stage::{Stage, URL};
use super::rig::{eventually, free_address};

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

/// A shadow that asks the live service, through its own sidecar, for `/again` when it is asked for that or for `/once`.
/// Counts how often; after the first ten it does no more.
fn calls_on(listener: TcpListener, sidecar: SocketAddr) -> Arc<AtomicUsize> {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let count = Arc::clone(&counted);
            let answer = service_fn(move |request: Request<Incoming>| {
                let is_asked = ["/once", "/again"].contains(&request.uri().path());
                let calls = is_asked && count.fetch_add(1, Ordering::Relaxed) < 10;
                async move {
                    if calls {
                        let mut caller = Caller::connect(sidecar).await;
                        let again = format!("{URL}again");
                        caller.call("GET", &again, b"").await.unwrap();
                    }
                    Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
                }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
        }
    });
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shadow_that_calls_on_in_answer_to_a_copy_comes_to_an_end() {
    for plane in Plane::ALL {
        let live = Echo::start("v1").await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mesh = Mesh::new(live.address, listener.local_addr().unwrap());
        // Everybody mirrors, the shadow too.
        mesh.edit(
            "mirror.yaml",
            "    podSelector:\n      matchLabels:\n        app: curl\n",
            "",
        );
        let its_sidecar = free_address();
        let shadow = format!(
            "kind: Deployment\napiVersion: apps/v1\nmetadata: {{name: v2, namespace: pipy}}\n\
             spec: {{template: {{metadata: {{labels: {{app: pipy-ok, version: v2}}, \
             annotations: {{mirrorplane.io/listen: '{its_sidecar}'}}}}}}}}\n"
        );
        mesh.write("shadow.yaml", &shadow);
        let control_plane = ControlPlane::start(mesh.path()).await;
        let at = control_plane.address;
        let Some(behind) = Sidecar::launch_at(plane, at, its_sidecar, "pipy/v2", None, None) else {
            continue;
        };
        behind.serves().await;
        let Some(sidecar) = Sidecar::start(plane, &control_plane).await else {
            continue;
        };
        let copies = calls_on(listener, its_sidecar);
        for sidecar in [&behind, &sidecar] {
            eventually("the live service answers", || async {
                let mut caller = Caller::connect(sidecar.proxy).await;
                let answer = caller.call("GET", URL, b"").await.ok()?;
                (answer.status() == 200).then_some(())
            })
            .await;
        }
        live.settled().await;
        live.forget();
        let mut caller = Caller::connect(sidecar.proxy).await;
        caller
            .call("GET", &format!("{URL}once"), b"")
            .await
            .unwrap();
        eventually("the shadow has called on", || async {
            (live.count() >= 2).then_some(())
        })
        .await;
        live.settled().await;
        let mut paths: Vec<_> = live.seen().into_iter().map(|seen| seen.path).collect();
        // The copy may be quicker than the request.
        paths.sort();
        assert_eq!(
            (paths.as_slice(), copies.load(Ordering::Relaxed)),
            (["/again".to_owned(), "/once".to_owned()].as_slice(), 1),
            "{plane}: the shadow's own call is not copied to it"
        );
        assert!(!control_plane.log().contains("MP503"), "{plane}");
    }
}
