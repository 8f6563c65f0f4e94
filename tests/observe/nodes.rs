//! `/nodes`.

use mirrorplane::snapshot::ResourceType::{Cluster, Listener, Runtime};
use serde_json::Value;

use crate::client::{Delta, Sotw};
use crate::plane::{Plane, edit, until};

/// Waits until the only node has that state of a type, and yields it.
async fn node_with(plane: &Plane, ty: &str, state: &str) -> Value {
    until(|| async {
        let nodes = plane.nodes().await;
        nodes.len() == 1 && nodes[0]["types"][ty]["state"] == state
    })
    .await;
    plane.nodes().await.remove(0)
}

#[tokio::test]
async fn a_node_is_listed_with_who_it_is_until_it_goes() {
    let plane = Plane::start().await;
    let mut client = Sotw::open(plane.ads, "curl/curl").await;
    assert_eq!(plane.nodes().await.len(), 0);
    client.ask(Cluster).await;
    let response = client.next().await;
    client.answer(&response, None).await;
    let node = node_with(&plane, "cds", "in_sync").await;
    assert_eq!(node["id"], "curl/curl");
    assert_eq!(node["state"], "in_sync");
    assert_eq!(node["variant"], "sotw");
    assert_eq!(node["user_agent"], "envoy");
    assert_eq!(node["user_agent_version"], "1.40.2");
    assert!(node["peer"].as_str().unwrap().starts_with("127.0.0.1:"));
    assert!(node["connected_since"].as_str().unwrap().ends_with('Z'));
    assert!(!node["group"].as_str().unwrap().is_empty());
    assert_eq!(
        node["types"]["cds"]["sent"]["version"],
        *response.version_info
    );
    assert_eq!(
        node["types"]["cds"]["acked"]["version"],
        *response.version_info
    );
    assert_eq!(node["types"].as_object().unwrap().len(), 1);
    drop(client);
    until(|| async { plane.nodes().await.is_empty() }).await;
}

#[tokio::test]
async fn a_stream_of_one_type_is_listed_as_any_other() {
    let plane = Plane::start().await;
    let mut client = Sotw::of_clusters(plane.ads, "curl/curl").await;
    client.ask(Cluster).await;
    let response = client.next().await;
    client.answer(&response, None).await;
    let node = node_with(&plane, "cds", "in_sync").await;
    let cds = &node["types"]["cds"];
    assert_eq!(cds["acked"]["version"], *response.version_info);
    drop(client);
    until(|| async { plane.nodes().await.is_empty() }).await;
}

#[tokio::test]
async fn a_node_is_pending_until_it_answers_and_rejected_until_it_accepts() {
    let plane = Plane::start().await;
    let mut client = Delta::open(plane.ads, "curl/curl").await;
    client.ask(Runtime, &["mirrorplane"]).await;
    let first = client.next().await;
    let node = node_with(&plane, "rtds", "pending").await;
    assert_eq!(
        node["types"]["rtds"]["sent"]["version"],
        *first.system_version_info
    );
    assert_eq!(node["types"]["rtds"]["acked"], Value::Null);
    client.answer(&first, None).await;
    node_with(&plane, "rtds", "in_sync").await;

    let share = |from, to| edit(plane.folder.path(), "mirror.yaml", from, to);
    share("value: 1.0", "value: 0.25");
    let second = client.next().await;
    assert_ne!(second.system_version_info, first.system_version_info);
    client
        .answer(&second, Some(&"no such layer ".repeat(100)))
        .await;
    let node = node_with(&plane, "rtds", "rejected").await;
    let runtime = &node["types"]["rtds"];
    assert_eq!(node["state"], "rejected");
    assert_eq!(runtime["sent"]["version"], *second.system_version_info);
    assert_eq!(runtime["acked"]["version"], *first.system_version_info);
    assert_eq!(runtime["nacked"]["version"], *second.system_version_info);
    let message = runtime["nacked"]["message"].as_str().unwrap();
    assert!(message.starts_with("no such layer") && message.len() == 300);

    share("value: 0.25", "value: 0.5");
    let third = client.next().await;
    client.answer(&third, None).await;
    let node = node_with(&plane, "rtds", "in_sync").await;
    let runtime = &node["types"]["rtds"];
    assert_eq!(runtime["acked"]["version"], *third.system_version_info);
    // The rejection is history, and can still be read.
    assert_eq!(runtime["nacked"]["version"], *second.system_version_info);
}

#[tokio::test]
async fn a_client_that_rejects_one_type_is_in_sync_with_the_others() {
    let plane = Plane::start().await;
    let mut client = Sotw::open(plane.ads, "nobody/knows").await;
    client.ask(Cluster).await;
    let clusters = client.next().await;
    client.answer(&clusters, None).await;
    client.ask(Listener).await;
    let listeners = client.next().await;
    client.answer(&listeners, Some("no such filter")).await;
    let node = node_with(&plane, "lds", "rejected").await;
    assert_eq!(node["types"]["cds"]["state"], "in_sync");
    assert_eq!(node["state"], "rejected");
}
