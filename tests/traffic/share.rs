//! How many requests are copied, and what a copy is.

use std::collections::HashMap;

use super::rig::caller::load;
use super::rig::echo::Seen;
use super::rig::eventually;
use super::rig::sidecar::{Kind, Plane};
use super::rig::stage::{Stage, URL};

#[tokio::test(flavor = "multi_thread")]
async fn at_one_every_request_reaches_both_services_whole() {
    for plane in Plane::ALL {
        let Some(stage) = Stage::new(plane).await else {
            continue;
        };
        let mut caller = stage.caller().await;
        let methods = ["GET", "POST", "PUT", "PATCH", "DELETE"];
        for n in 0..1000 {
            let method = methods[n % methods.len()];
            let body = if matches!(method, "GET" | "DELETE") {
                String::new()
            } else {
                format!("{n}").repeat(n)
            };
            let answer = caller
                .call(method, &format!("{URL}item?n={n}"), body.as_bytes())
                .await
                .unwrap();
            assert_eq!(answer.status(), 200, "{stage}");
            assert_eq!(
                answer.headers()["x-served-by"],
                "v1",
                "{stage}: the caller sees the live service only"
            );
            assert_eq!(answer.body(), body.as_bytes(), "{stage}");
        }
        stage.shadow.settled().await;
        let (live, shadow) = (by_path(stage.live.seen()), by_path(stage.shadow.seen()));
        assert_eq!((live.len(), shadow.len()), (1000, 1000), "{stage}");
        for (path, original) in &live {
            let copy = &shadow[path];
            assert_eq!(
                (&copy.method, &copy.body),
                (&original.method, &original.body),
                "{stage}: {path}"
            );
            assert_eq!(
                copy.headers["x-mirror-shadow"], "curl/traffic-mirror-config",
                "{stage}"
            );
            assert!(
                !original.headers.contains_key("x-mirror-shadow"),
                "{stage}: only the copy is marked"
            );
            assert_eq!(
                copy.headers["x-request-id"], original.headers["x-request-id"],
                "{stage}: they can be paired"
            );
        }
        stage.assert_no_nack();
    }
}

fn by_path(seen: Vec<Seen>) -> HashMap<String, Seen> {
    seen.into_iter()
        .map(|request| (request.path.clone(), request))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quarter_is_a_quarter_and_nothing_is_nothing() {
    for plane in Plane::ALL {
        let Some(stage) = Stage::new(plane).await else {
            continue;
        };
        // A whole percentage is written in another way than the rest.
        for (share, written) in [("0.25", "25"), ("0.250001", "number_value: 250001")] {
            set_share(&stage, share).await;
            if stage.sidecar.plane.kind == Kind::Envoy {
                runtime_value(&stage, |value| value.contains(written)).await;
            }
            let load_run = load(stage.sidecar.proxy, URL, 4000, 4, "v1").await;
            assert!(
                load_run.failures.is_empty(),
                "{stage}: {:?}",
                load_run.failures.first()
            );
            let copies = stage.shadow.settled().await;
            // Four standard deviations of 4,000 draws at a quarter.
            assert!(
                (copies as f64 - 1000.0).abs() <= 4.0 * (4000.0_f64 * 0.25 * 0.75).sqrt(),
                "{stage}: {copies} at {share}"
            );
            stage.shadow.forget();
        }

        set_share(&stage, "0").await;
        stage.shadow.forget();
        let load_run = load(stage.sidecar.proxy, URL, 1000, 4, "v1").await;
        assert!(
            load_run.failures.is_empty(),
            "{stage}: {:?}",
            load_run.failures.first()
        );
        assert_eq!(stage.shadow.settled().await, 0, "{stage}");
        stage.assert_no_nack();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_smallest_share_is_not_nothing_on_the_wire() {
    let Some(stage) = Stage::new(Plane {
        kind: Kind::Envoy,
        delta: false,
    })
    .await
    else {
        return;
    };
    stage.mesh.share("0.000001");
    let value = runtime_value(&stage, |value| value.contains("numerator")).await;
    let smallest = value.contains("number_value: 1\n") && value.contains("\"MILLION\"");
    assert!(smallest, "{value}");
}

/// The share as an Envoy has it, once it is as wanted.
async fn runtime_value(stage: &Stage, is_wanted: impl Fn(&str) -> bool) -> String {
    eventually("the runtime value changes", || async {
        let page: serde_json::Value =
            serde_json::from_str(&stage.sidecar.admin("runtime").await).unwrap();
        let entry = &page["entries"]["mirror.curl.traffic-mirror-config"];
        let value = entry["final_value"].as_str()?.to_owned();
        is_wanted(&value).then_some(value)
    })
    .await
}

/// Sets a share below everything and waits until it has an effect.
pub(crate) async fn set_share(stage: &Stage, value: &str) {
    stage.mesh.share(value);
    eventually(
        format_args!("{stage}: a share of {value} has an effect"),
        || async {
            stage.shadow.forget();
            load(stage.sidecar.proxy, URL, 40, 1, "v1").await;
            let copies = stage.shadow.settled().await;
            let nothing = value.parse() == Ok(0.0);
            (copies < 40 && (copies == 0) == nothing).then_some(())
        },
    )
    .await;
    stage.shadow.forget();
}
