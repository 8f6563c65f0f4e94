//! The rig itself: what the other tests rely on.

use std::time::Duration;

use futures_util::StreamExt;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{Api, ListParams, PostParams, WatchEvent, WatchParams};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::node::{Node, VirtualAddress};
use crate::rig::{Cluster, DEADLINE, Parts, TestPod, delete_pod, eventually, set_pod};

fn config_map(name: &str) -> ConfigMap {
    serde_json::from_value(json!({"metadata": {"name": name}})).unwrap()
}

#[tokio::test]
async fn an_object_is_seen_by_kubectl_and_by_a_watch() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let version = cluster.kubectl(&["version"]).await.ok();
    assert!(version.contains("Server Version: v1."), "{version}");
    let namespace = cluster.namespace("smoke").await;
    let maps: Api<ConfigMap> = Api::namespaced(cluster.client().await, &namespace);
    let mut watch = maps
        .watch(&WatchParams::default(), "0")
        .await
        .unwrap()
        .boxed();
    maps.create(&PostParams::default(), &config_map("first"))
        .await
        .unwrap();
    let seen = loop {
        match timeout(DEADLINE, watch.next()).await.unwrap() {
            Some(Ok(WatchEvent::Added(seen))) => break seen,
            Some(Ok(WatchEvent::Bookmark(_))) => {}
            event => panic!("{event:?}"),
        }
    };
    assert_eq!(seen.metadata.name.as_deref(), Some("first"));
    let names = cluster
        .kubectl(&["get", "configmap", "-n", &namespace, "-o", "name"])
        .await
        .ok();
    assert_eq!(names.trim(), "configmap/first");
    let refused = cluster
        .kubectl(&["get", "pods", "-A", "--as=nobody"])
        .await
        .refused();
    assert!(refused.contains("forbidden"), "{refused}");
}

#[tokio::test]
async fn a_ready_pod_becomes_an_endpoint_and_a_namespace_goes_with_all() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let namespace = cluster.namespace("smoke").await;
    let client = cluster.client().await;
    let service = json!({
        "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}]},
    });
    Api::<Service>::namespaced(client.clone(), &namespace)
        .create(
            &PostParams::default(),
            &serde_json::from_value(service).unwrap(),
        )
        .await
        .unwrap();
    TestPod::new(&namespace, "web-0")
        .label("app", "web")
        .run(cluster, "node", "10.1.0.7")
        .await;
    let slices: Api<EndpointSlice> = Api::namespaced(client, &namespace);
    let is_ready = |expected: bool| {
        let slices = &slices;
        eventually(
            format!("an endpoint with ready={expected}"),
            async move || {
                let slices = slices.list(&ListParams::default()).await.unwrap();
                let mut endpoints = slices.iter().flat_map(|slice| slice.endpoints.iter());
                endpoints
                    .any(|endpoint| {
                        let ready = endpoint.conditions.as_ref().and_then(|is| is.ready);
                        endpoint.addresses == ["10.1.0.7"] && ready == Some(expected)
                    })
                    .then_some(())
            },
        )
    };
    is_ready(true).await;
    set_pod(cluster, &namespace, "web-0", "10.1.0.7", false).await;
    is_ready(false).await;
    delete_pod(cluster, &namespace, "web-0").await;
    cluster
        .kubectl(&["delete", "namespace", &namespace])
        .await
        .ok();
}

#[tokio::test]
async fn an_old_watch_expires_when_etcd_was_compacted_and_the_api_server_restarted() {
    let Some(cluster) = Cluster::own(Parts::Api).await else {
        return;
    };
    let client = cluster.client().await;
    let maps: Api<ConfigMap> = Api::namespaced(client, "default");
    let params = PostParams::default();
    let first = maps.create(&params, &config_map("first")).await.unwrap();
    maps.create(&params, &config_map("second")).await.unwrap();
    cluster.compact_etcd().await;
    cluster.kill_api_server();
    assert!(maps.get("first").await.is_err());
    cluster.start_api_server().await;
    assert_eq!(
        maps.list(&ListParams::default()).await.unwrap().items.len(),
        2
    );
    let version = first.metadata.resource_version.unwrap();
    let mut watch = maps
        .watch(&WatchParams::default(), &version)
        .await
        .unwrap()
        .boxed();
    let event = timeout(Duration::from_secs(60), watch.next())
        .await
        .unwrap();
    let Some(Ok(WatchEvent::Error(status))) = event else {
        panic!("{event:?}");
    };
    assert_eq!(status.code, 410);
}

#[tokio::test]
async fn a_pod_of_the_node_reaches_a_service_on_this_machine() {
    let Some(node) = Node::new() else {
        return;
    };
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let service = "10.0.3.1:80".parse().unwrap();
    let backend = server.local_addr().unwrap();
    let _service = VirtualAddress::new(node.network.listen(service), vec![backend]);
    let pod = node.pod();
    let mut client = pod.connect(service).unwrap();
    let (mut served, _) = server.accept().await.unwrap();
    client.write_all(b"from a Pod").await.unwrap();
    drop(client);
    let mut said = String::new();
    served.read_to_string(&mut said).await.unwrap();
    assert_eq!(said, "from a Pod");
}
