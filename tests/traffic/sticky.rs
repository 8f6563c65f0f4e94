//! A user is always copied, or never.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;

use super::rig::echo::{Echo, Seen};
use super::rig::eventually;
use super::rig::mesh;
use super::rig::sidecar::Plane;
use super::rig::stage::{Stage, URL};

const USERS: usize = 2000;

/// What says who the user is.
#[derive(Clone, Copy)]
enum By {
    /// The header `x-user`.
    Header,
    /// The cookie `user`, among others.
    Cookie,
}

/// Who a request is of.
fn user(by: By, seen: &Seen) -> Option<String> {
    match by {
        By::Header => Some(seen.headers.get("x-user")?.to_str().ok()?.to_owned()),
        By::Cookie => {
            let cookies = seen.headers.get("cookie")?.to_str().ok()?;
            let rest = cookies.strip_prefix("other=user-0; user=")?;
            Some(rest.strip_suffix("; last=1")?.to_owned())
        }
    }
}

/// Sends a request of each user, and one of nobody, and yields who was copied by the shadow, and how often.
async fn copied(stage: &Stage, shadow: &Echo, by: By) -> BTreeMap<String, usize> {
    shadow.forget();
    let mut caller = stage.caller().await;
    let users = (0..USERS).map(|user| Some(format!("user-{user}")));
    for user in users.chain([None]) {
        let mut request = Request::get(URL).header("host", "pipy-ok-v1.pipy:8080");
        request = match (user, by) {
            (Some(user), By::Header) => request.header("x-user", user),
            (Some(user), By::Cookie) => {
                request.header("cookie", format!("other=user-0; user={user}; last=1"))
            }
            (None, By::Header) => request,
            (None, By::Cookie) => request.header("cookie", "other=user-0; xuser=1; user="),
        };
        let request = request.body(Full::<Bytes>::default()).unwrap();
        let answer = caller.send(request).await.unwrap();
        assert_eq!(answer.status(), 200, "{stage}");
    }
    shadow.settled().await;
    let mut copied = BTreeMap::new();
    for seen in shadow.seen() {
        let user = user(by, &seen).expect("nobody is not copied");
        *copied.entry(user).or_default() += 1;
    }
    copied
}

/// Who is copied once their number is about what this share says, within four standard deviations, and stays the same.
async fn of_share(stage: &Stage, shadow: &Echo, by: By, share: f64) -> BTreeSet<String> {
    let expected = USERS as f64 * share;
    let deviation = (expected * (1.0 - share)).sqrt();
    let mut before = BTreeMap::new();
    // The change takes its time, and may come in the middle.
    for _ in 0..20 {
        let now = copied(stage, shadow, by).await;
        assert!(now.values().all(|times| *times == 1), "{stage}");
        let is_near = (now.len() as f64 - expected).abs() <= 4.0 * deviation;
        if is_near && (now == before || now.is_empty()) {
            return now.into_keys().collect();
        }
        before = now;
    }
    panic!("{stage}: {} users at a share of {share}", before.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_always_copied_or_never_and_a_larger_share_has_more_of_them() {
    for plane in Plane::ALL.into_iter().filter(|plane| plane.delta) {
        let Some(stage) = Stage::new(plane).await else {
            continue;
        };
        let port = "    port: 8080\n";
        let sticky = format!("{port}    sticky: {{ header: X-User }}\n");
        stage.mesh.edit("mirror.yaml", port, &sticky);
        stage.mesh.share("0.1");
        let tenth = of_share(&stage, &stage.shadow, By::Header, 0.1).await;
        let before = stage.sidecar.structure().await;
        // Not in whole percent, and in whole percent.
        let mut smaller = tenth;
        for share in ["0.150001", "0.2"] {
            stage.mesh.share(share);
            let larger = of_share(&stage, &stage.shadow, By::Header, share.parse().unwrap()).await;
            assert!(smaller.is_subset(&larger), "{stage}: {share}");
            smaller = larger;
        }
        stage.mesh.share("0");
        assert!(
            of_share(&stage, &stage.shadow, By::Header, 0.0)
                .await
                .is_empty()
        );
        stage.mesh.share("1");
        assert_eq!(
            of_share(&stage, &stage.shadow, By::Header, 1.0).await.len(),
            USERS
        );
        assert_eq!(
            stage.sidecar.structure().await,
            before,
            "{stage}: the runtime alone changes"
        );
        stage.assert_no_nack();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_tells_users_apart_and_no_service_sees_that_it_was_looked_at() {
    for plane in Plane::ALL.into_iter().filter(|plane| plane.delta) {
        let Some(stage) = Stage::new(plane).await else {
            continue;
        };
        let names = |seen: Seen| -> BTreeSet<String> {
            seen.headers.keys().map(ToString::to_string).collect()
        };
        let port = "    port: 8080\n";
        let alone = Request::get(URL).header("host", "pipy-ok-v1.pipy:8080");
        let alone = alone.header("cookie", "other=user-0; user=user-1; last=1");
        let alone = alone.body(Full::<Bytes>::default()).unwrap();
        stage.caller().await.send(alone).await.unwrap();
        let before: BTreeSet<_> = stage.live.seen().into_iter().map(names).collect();
        let sticky = format!("{port}    sticky: {{ cookie: user }}\n");
        stage.mesh.edit("mirror.yaml", port, &sticky);
        stage.mesh.share("0.1");
        eventually(format_args!("{stage}: nobody is not copied"), || async {
            stage.shadow.settled().await;
            stage.shadow.forget();
            let alone = Request::get(URL).header("host", "pipy-ok-v1.pipy:8080");
            let alone = alone.body(Full::<Bytes>::default()).unwrap();
            stage.caller().await.send(alone).await.unwrap();
            (stage.shadow.settled().await == 0).then_some(())
        })
        .await;
        let smaller = of_share(&stage, &stage.shadow, By::Cookie, 0.1).await;
        let structure = stage.sidecar.structure().await;
        stage.live.forget();
        stage.mesh.share("0.3");
        let larger = of_share(&stage, &stage.shadow, By::Cookie, 0.3).await;
        assert!(smaller.is_subset(&larger), "{stage}");
        let after: BTreeSet<_> = stage.live.seen().into_iter().map(names).collect();
        assert_eq!(
            after, before,
            "{stage}: the live service sees no header more"
        );
        assert_eq!(
            stage.sidecar.structure().await,
            structure,
            "{stage}: the runtime alone"
        );
        stage.assert_no_nack();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_users_of_one_mirror_are_some_of_those_of_a_larger_one() {
    for plane in Plane::ALL.into_iter().filter(|plane| plane.delta) {
        let Some(stage) = Stage::new(plane).await else {
            continue;
        };
        let second = Echo::start("v3").await;
        let port = "    port: 8080\n";
        let sticky = format!("{port}    sticky: {{ header: X-User }}\n");
        stage.mesh.edit("mirror.yaml", port, &sticky);
        stage.mesh.share("0.1");
        stage.mesh.write("plugin.yaml", mesh::SECOND);
        stage.mesh.write(
            "second.yaml",
            &SECOND.replace("8083", &second.address.port().to_string()),
        );
        let larger = of_share(&stage, &second, By::Header, 0.3).await;
        let smaller = of_share(&stage, &stage.shadow, By::Header, 0.1).await;
        assert!(smaller.is_subset(&larger), "{stage}");
        stage.assert_no_nack();
    }
}

const SECOND: &str = r#"
apiVersion: v1
kind: Service
metadata: { name: pipy-ok-v3, namespace: pipy }
spec:
  ports: [{ name: pipy, port: 8080 }]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: pipy-ok-v3, namespace: pipy, labels: { kubernetes.io/service-name: pipy-ok-v3 } }
addressType: IPv4
endpoints: [{ addresses: ["127.0.0.1"] }]
ports: [{ name: pipy, port: 8083 }]
---
apiVersion: plugin.flomesh.io/v1alpha1
kind: PluginConfig
metadata: { name: second, namespace: curl }
spec:
  plugin: second
  destinationRefs: [{ kind: Service, name: pipy-ok-v1, namespace: pipy }]
  config:
    { namespace: pipy, service: pipy-ok-v3, port: 8080, percentage: { value: 0.3 }, sticky: { header: x-user } }
"#;
