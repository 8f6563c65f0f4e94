//! What the sidecars of all replicas refused to a shadow is in the status of the mirror.

use mirrorplane::proto::envoy::config::core::v3::{Node, RequestMethod};
use mirrorplane::proto::envoy::data::accesslog::v3 as entries;
use mirrorplane::proto::envoy::service::accesslog::v3::StreamAccessLogsMessage;
use mirrorplane::proto::envoy::service::accesslog::v3::access_log_service_client::AccessLogServiceClient;
use mirrorplane::proto::envoy::service::accesslog::v3::stream_access_logs_message as message;
use serde_json::json;

use super::{CONFIG, cluster, get};
use crate::rig::eventually;
use crate::serve::Serve;
use crate::source::mesh::config;

/// Reports so many calls, on a stream of its own.
async fn refused(at: &Serve, count: usize) {
    let entry = entries::HttpAccessLogEntry {
        request: Some(entries::HttpRequestProperties {
            request_method: RequestMethod::Post.into(),
            authority: "ratings:9080".to_owned(),
            ..entries::HttpRequestProperties::default()
        }),
        response: Some(entries::HttpResponseProperties {
            response_code_details: "direct_response".to_owned(),
            ..entries::HttpResponseProperties::default()
        }),
        ..entries::HttpAccessLogEntry::default()
    };
    let message = StreamAccessLogsMessage {
        identifier: Some(message::Identifier {
            node: Some(Node {
                id: "pipy/shadow".to_owned(),
                ..Node::default()
            }),
            ..message::Identifier::default()
        }),
        log_entries: Some(message::LogEntries::HttpLogs(
            message::HttpAccessLogEntries {
                log_entry: vec![entry; count],
            },
        )),
    };
    let client = AccessLogServiceClient::connect(format!("http://{}", at.address)).await;
    let mut client = client.unwrap();
    client
        .stream_access_logs(tokio_stream::iter([message]))
        .await
        .unwrap();
}

#[tokio::test]
async fn what_all_replicas_were_told_is_added_up() {
    let Some(cluster) = cluster().await else {
        return;
    };
    let leader = Serve::start::<&str>(&cluster, &[]).await;
    eventually("the first leads", async || {
        (leader.find_metric("leader").await == Some(1)).then_some(())
    })
    .await;
    let other = Serve::start::<&str>(&cluster, &[]).await;
    let mut held = config(&json!(0.25));
    // To those who read YAML 1.1, `off` is no word.
    held["spec"]["config"]["quarantine"] = json!(false);
    let shadow = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "shadow", "namespace": "pipy", "labels": {"app": "pipy-ok-v2"}},
        "spec": {"containers": [{"name": "shadow", "image": "none"}]},
    });
    let mut service = get(&cluster, &["service", "pipy-ok-v2", "-n", "pipy"]).await;
    service["spec"]["selector"] = json!({"app": "pipy-ok-v2"});
    cluster.apply_all(&[held.clone(), shadow, service]).await;
    held["spec"]["config"]["quarantine"] = json!("read-only");
    cluster.apply_all(&[held]).await;
    let told = async |at: &Serve, total: u64| {
        // Until it knows who is in quarantine it does not listen.
        eventually(format_args!("{total} in the status"), async || {
            refused(at, 1).await;
            let status = get(&cluster, &CONFIG).await["status"].clone();
            let refused = status["refusedCalls"].as_u64().unwrap_or_default();
            (refused >= total).then_some(status)
        })
        .await
    };
    told(&leader, 1).await;
    refused(&leader, 100).await;
    let before = told(&leader, 100).await;
    let conditions = before["conditions"].to_string();
    assert!(conditions.contains("POST ratings:9080"), "{conditions}");
    // The other is told of some, which count as well.
    refused(&other, 100).await;
    refused(&other, 100).await;
    told(&other, 200).await;
    assert_eq!(other.metric("leader").await, 0);
}
