//! One random number of a request decides on its route and on all its copies.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::naive::{self, Naive};
use super::rig::caller::{Caller, load};
use super::rig::echo::Echo;
use super::rig::eventually;
use super::rig::sidecar::{Kind, Plane, Sidecar};
use super::rig::stage::{Stage, URL};
use super::upstream_filters::golden_resources;

const REQUESTS: usize = 6000;
const KEY: &str = "mirror.test";

/// Sends numbered requests over a few connections; yields the number of each with who answered it.
async fn numbered(envoy: &Sidecar, url: &'static str) -> BTreeMap<String, String> {
    let mut tasks = tokio::task::JoinSet::new();
    for lane in 0..4 {
        let proxy = envoy.proxy;
        tasks.spawn(async move {
            let mut caller = Caller::connect(proxy).await;
            let mut answered = Vec::new();
            for n in (lane..REQUESTS).step_by(4) {
                let path = format!("/{n}");
                let url = format!("{}{path}", url.trim_end_matches('/'));
                let answer = caller.call("GET", &url, b"").await.unwrap();
                let by = answer.headers()["x-served-by"].to_str().unwrap().to_owned();
                answered.push((path, by));
            }
            answered
        });
    }
    tasks.join_all().await.into_iter().flatten().collect()
}

async fn copied(shadow: &Echo) -> BTreeSet<String> {
    shadow.settled().await;
    let seen = shadow.seen().into_iter();
    seen.map(|copy| copy.path).collect()
}

fn million(numerator: u32) -> Value {
    json!({ "numerator": numerator, "denominator": "MILLION" })
}

/// How many of the requests to the main version and to the canary are copied: a tenth is asked for, and 90 of 100 go to
/// the main one.
async fn beside_a_weighted_route(default: Value, runtime: Value) -> Option<[f64; 2]> {
    let (main, canary) = (Echo::start("main").await, Echo::start("canary").await);
    let shadow = Echo::start("shadow").await;
    let weights = json!([{ "name": "main", "weight": 90 }, { "name": "canary", "weight": 10 }]);
    let share = json!({ "runtime_key": KEY, "default_value": default });
    let routes = json!([{
        "match": { "prefix": "/" },
        "route": {
            "weighted_clusters": { "clusters": weights },
            "request_mirror_policies": [{ "cluster": "shadow", "runtime_fraction": share }],
        },
    }]);
    let clusters = vec![
        naive::cluster("main", main.address),
        naive::cluster("canary", canary.address),
        naive::cluster("shadow", shadow.address),
    ];
    let mut naive = Naive::new(routes, clusters);
    naive.runtime = runtime;
    let envoy = naive.start().await?;
    let answered = numbered(&envoy, naive::URL).await;
    let copied = copied(&shadow).await;
    let shares = ["main", "canary"].map(|version| {
        let of = |(path, by): (&String, &String)| (by == version).then(|| copied.contains(path));
        let all: Vec<bool> = answered.iter().filter_map(of).collect();
        all.iter().filter(|copied| **copied).count() as f64 / all.len() as f64
    });
    eprintln!("copied of main and canary: {shares:.3?}");
    Some(shares)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_is_the_same_for_all_versions_of_a_weighted_route() {
    let hundred = json!({ "numerator": 10, "denominator": "HUNDRED" });
    let Some([_, canary]) = beside_a_weighted_route(hundred, json!({})).await else {
        return;
    };
    assert!(canary < 0.01, "the control is unbiased: {canary}");
    // A value that is not a structure means a percentage, whatever the default says.
    let bare = beside_a_weighted_route(million(0), json!({ KEY: 10 })).await;
    let [_, canary] = bare.unwrap();
    assert!(canary < 0.01, "a bare number is unbiased: {canary}");
    let ours = beside_a_weighted_route(million(0), json!({ KEY: million(100_000) })).await;
    // More than four standard deviations of 600 draws.
    for share in ours.unwrap() {
        assert!((0.05..0.15).contains(&share), "{share}");
    }
}

/// The reason why bare numbers may be sent.
#[test]
fn there_is_no_weighted_route_beside_a_bare_number() {
    for (case, resources) in golden_resources() {
        let bare = resources["runtime"].as_array().unwrap().iter();
        let mut bare = bare.flat_map(|layer| layer["layer"].as_object().unwrap().values());
        let weighted = resources["routes"]
            .to_string()
            .contains("weighted_clusters");
        assert!(!weighted || !bare.any(Value::is_number), "{case}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_mirrors_the_smaller_gets_a_part_of_what_the_larger_gets() {
    let live = Echo::start("v1").await;
    let (small, large) = (Echo::start("small").await, Echo::start("large").await);
    let hundred = json!({ "numerator": 5, "denominator": "HUNDRED" });
    let mirror = |cluster, share| json!({ "cluster": cluster, "runtime_fraction": { "default_value": share } });
    let routes = json!([{
        "match": { "prefix": "/" },
        "route": {
            "cluster": "live",
            "request_mirror_policies": [mirror("small", hundred), mirror("large", million(200_000))],
        },
    }]);
    let clusters = vec![
        naive::cluster("live", live.address),
        naive::cluster("small", small.address),
        naive::cluster("large", large.address),
    ];
    let Some(envoy) = Naive::new(routes, clusters).start().await else {
        return;
    };
    numbered(&envoy, naive::URL).await;
    let (few, many) = (copied(&small).await, copied(&large).await);
    let nested = few.intersection(&many).count();
    eprintln!(
        "naive: {nested} of {} are among the {}",
        few.len(),
        many.len()
    );
    assert!(nested < few.len() / 2, "the control is nested");

    for plane in Plane::ALL.into_iter().filter(|plane| !plane.delta) {
        let stage = Stage::new(plane).await.unwrap();
        let small = Echo::start("v3").await;
        let second = SECOND.replace("8083", &small.address.port().to_string());
        stage.mesh.write("second.yaml", &second);
        stage.mesh.edit(
            "mirror.yaml",
            "- traffic-mirror\n",
            "- traffic-mirror\n        - second\n",
        );
        // Both are whole percentages, or one is not.
        for share in ["0.05", "0.055"] {
            stage
                .mesh
                .write("second.yaml", &second.replace("0.05", share));
            stage.mesh.share("0.2");
            eventually(
                format_args!("{stage}: both shares have an effect"),
                || async {
                    small.forget();
                    stage.shadow.forget();
                    load(stage.sidecar.proxy, URL, 200, 1, "v1").await;
                    let copies = (small.settled().await, stage.shadow.settled().await);
                    ((1..100).contains(&copies.0) && (1..100).contains(&copies.1)).then_some(())
                },
            )
            .await;
            small.forget();
            stage.shadow.forget();
            numbered(&stage.sidecar, URL).await;
            let (few, many) = (copied(&small).await, copied(&stage.shadow).await);
            eprintln!("{stage}: {} of {}", few.len(), many.len());
            assert!(few.is_subset(&many), "{stage}: {share}");
            assert!((200..450).contains(&few.len()), "{stage}: {}", few.len());
            assert!(
                (1050..1350).contains(&many.len()),
                "{stage}: {}",
                many.len()
            );
        }
        stage.assert_no_nack();
    }
}

/// A second mirror of the example's destination.
const SECOND: &str = "
apiVersion: plugin.flomesh.io/v1alpha1
kind: Plugin
metadata: { name: second, annotations: { mirrorplane.io/plugin: traffic-mirror } }
spec: { priority: 120, pipyscript: placeholder }
---
apiVersion: plugin.flomesh.io/v1alpha1
kind: PluginConfig
metadata: { name: second, namespace: curl }
spec:
  plugin: second
  destinationRefs: [{ kind: Service, name: pipy-ok-v1, namespace: pipy }]
  config: { namespace: pipy, service: pipy-ok-v3, port: 8080, percentage: { value: 0.05 } }
---
apiVersion: v1
kind: Service
metadata: { name: pipy-ok-v3, namespace: pipy }
spec: { selector: { app: pipy-ok, version: v3 }, ports: [{ name: pipy, port: 8080 }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: pipy-ok-v3, namespace: pipy, labels: { kubernetes.io/service-name: pipy-ok-v3 } }
addressType: IPv4
endpoints: [{ addresses: [\"127.0.0.1\"] }]
ports: [{ name: pipy, port: 8083 }]
";

/// How many of the requests are copied if the runtime value is this number.
async fn with_value(value: Value) -> Option<usize> {
    let (live, shadow) = (Echo::start("v1").await, Echo::start("v2").await);
    let mut naive = Naive::mirroring(live.address, shadow.address, "60s");
    let share = json!({ "runtime_key": KEY, "default_value": million(0) });
    naive.routes.1["virtual_hosts"][0]["routes"][0]["route"]["request_mirror_policies"][0]["runtime_fraction"] =
        share;
    naive.runtime = json!({ KEY: value });
    let envoy = naive.start().await?;
    load(envoy.proxy, naive::URL, 400, 4, "v1").await;
    Some(shadow.settled().await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_means_on_the_wire_what_it_means_in_the_object() {
    // A quarter, for who takes the number for one of a million; and a half of one per cent.
    let Some(quarter) = with_value(json!(250_000)).await else {
        return;
    };
    assert_eq!(quarter, 400, "the control copies a quarter");
    assert_eq!(with_value(json!(0.5)).await, Some(0), "the control copies");

    let plane = Plane {
        kind: Kind::Envoy,
        delta: false,
    };
    let stage = Stage::new(plane).await.unwrap();
    for (share, sent, copies) in [("0.25", "25", 850..1150), ("0.005", "5000", 3..40)] {
        stage.mesh.share(share);
        eventually(format_args!("the share {share} is there"), || async {
            let page = stage.sidecar.admin("runtime").await;
            let page: Value = serde_json::from_str(&page).unwrap();
            let value = &page["entries"]["mirror.curl.traffic-mirror-config"]["final_value"];
            value.as_str()?.contains(sent).then_some(())
        })
        .await;
        stage.shadow.settled().await;
        stage.shadow.forget();
        load(stage.sidecar.proxy, URL, 4000, 4, "v1").await;
        let seen = stage.shadow.settled().await;
        assert!(copies.contains(&seen), "{seen} copies at {share}");
    }
}
