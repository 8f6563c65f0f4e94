//! A filter on the way to a shadow that answers by itself ends the proxy, if the proxy logs what it sends upstream.

use std::fs;
use std::path::Path;

use mirrorplane::pipeline::Pipeline;
use mirrorplane::resolve::Settings;
use mirrorplane::snapshot::to_json;
use mirrorplane::source;
use serde_json::{Value, json};

use super::crashes::dies_of_a_request;
use super::naive::{self, Naive, filter};
use super::rig::caller::{Caller, load};
use super::rig::echo::Echo;
use super::rig::stage::{Stage, URL};

/// Filters that never answer by themselves. A script is one of them only if it says so nowhere.
const QUIET: [&str; 3] = [
    "envoy.filters.http.header_mutation",
    "envoy.filters.http.lua",
    "envoy.filters.http.upstream_codec",
];

/// All resources of each group of each golden case.
pub(crate) fn golden_resources() -> Vec<(String, Value)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut all = Vec::new();
    for entry in fs::read_dir(root).unwrap() {
        let case = entry.unwrap().path();
        if !case.is_dir() {
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        fs::copy(case.join("input.yaml"), folder.path().join("input.yaml")).unwrap();
        let objects = source::open(folder.path()).unwrap().objects;
        let world = Pipeline::new(Settings::default()).step(&objects).world;
        for node in world.nodes.keys() {
            let resources = to_json(&world.snapshot_for(node)).unwrap();
            all.push((format!("{}: {node}", case.display()), resources));
        }
    }
    assert!(all.len() > 10, "{}", all.len());
    all
}

/// The filters of a cluster that may answer by themselves.
fn answering(cluster: &Value) -> Vec<String> {
    let options = cluster["typed_extension_protocol_options"].as_object();
    let options = options.into_iter().flat_map(|options| options.values());
    options
        .filter_map(|options| options["http_filters"].as_array())
        .flatten()
        .filter(|filter| {
            let name = filter["name"].as_str().unwrap();
            !QUIET.contains(&name) || filter.to_string().contains("respond")
        })
        .map(Value::to_string)
        .collect()
}

fn is_shadow(cluster: &Value) -> bool {
    cluster["name"].as_str().unwrap().starts_with("shadow|")
}

/// Answers what it sees.
fn script() -> Value {
    filter(
        "envoy.filters.http.lua",
        json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
            "default_source_code": {
                "inline_string": "function envoy_on_request(h) h:respond({[':status'] = '403'}, 'no') end",
            },
        }),
    )
}

fn codec() -> Value {
    filter(
        "envoy.filters.http.upstream_codec",
        json!({ "@type": "type.googleapis.com/envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec" }),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn no_filter_answers_in_the_place_of_a_shadow() {
    let (live, shadow) = (Echo::start("v1").await, Echo::start("v2").await);
    let answers = || json!({ "http_filters": [script(), codec()] });
    let plain = naive::cluster("live", live.address);
    let answering_live = naive::cluster_with("live", live.address, answers());
    let answering_shadow = naive::cluster_with("shadow", shadow.address, answers());

    // Before a live service the filter does what it is for.
    let routes = json!([{ "match": { "prefix": "/" }, "route": { "cluster": "live" } }]);
    let Some(mut envoy) = Naive::new(routes, vec![answering_live]).start().await else {
        return;
    };
    let mut caller = Caller::connect(envoy.proxy).await;
    let answer = caller.call("GET", naive::URL, b"").await.unwrap();
    assert_eq!((answer.status().as_u16(), envoy.end()), (403, None));

    let mut mirroring = Naive::mirroring(live.address, shadow.address, "60s");
    mirroring.clusters = vec![plain, answering_shadow.clone()];
    mirroring.router = json!({ "upstream_log": [filter(
        "envoy.access_loggers.file",
        json!({
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": "/dev/null",
        }),
    )] });
    dies_of_a_request(&mut mirroring.start().await.unwrap()).await;

    assert_eq!(answering(&answering_shadow).len(), 1, "the check sees it");
    for (case, resources) in golden_resources() {
        for cluster in resources["clusters"].as_array().unwrap() {
            if is_shadow(cluster) {
                assert_eq!(answering(cluster), Vec::<String>::new(), "{case}");
            }
        }
    }

    // And what an Envoy of ours has made of it, with copies on their way.
    let stage = Stage::new(envoy.plane).await.unwrap();
    let sent = load(stage.sidecar.proxy, URL, 50, 1, "v1").await;
    assert_eq!(sent.failures.first(), None);
    assert_eq!(stage.shadow.settled().await, 50);
    let page = stage
        .sidecar
        .admin("config_dump?resource=dynamic_active_clusters");
    let page: Value = serde_json::from_str(&page.await).unwrap();
    let clusters = page["configs"].as_array().unwrap().iter();
    let shadows = clusters
        .map(|config| &config["cluster"])
        .filter(|cluster| is_shadow(cluster));
    let filters: Vec<_> = shadows.map(answering).collect();
    assert_eq!(filters, [Vec::<String>::new()]);
}
