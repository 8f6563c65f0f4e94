//! Tells the control plane which requests the proxy refused by itself: an access log.
//!
//! What cannot be told is lost: no request waits for it.

use std::time::Duration;

use http::Method;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Request;

use super::ads::connect::connect;
use super::bootstrap::Bootstrap;
use crate::proto::envoy::config::core::v3::{Node, RequestMethod};
use crate::proto::envoy::data::accesslog::v3 as entries;
use crate::proto::envoy::service::accesslog::v3 as als;
use crate::proto::envoy::service::accesslog::v3::access_log_service_client::AccessLogServiceClient;
use crate::proto::envoy::service::accesslog::v3::stream_access_logs_message as message;
use crate::proto::google::protobuf::UInt32Value;

/// Entries that may wait.
pub(super) const WAITING: usize = 1024;

/// How long entries wait for others, and between two tries.
const PAUSE: Duration = Duration::from_secs(1);

/// Entries of one message.
const BATCH: usize = 256;

/// One entry.
pub(super) type Entry = entries::HttpAccessLogEntry;

/// What is told of a request to which the proxy itself gave this status.
pub(super) fn entry(method: &Method, authority: &str, status: u32) -> Entry {
    let method = RequestMethod::from_str_name(method.as_str()).unwrap_or_default();
    Entry {
        request: Some(entries::HttpRequestProperties {
            request_method: method.into(),
            authority: authority.to_owned(),
            ..entries::HttpRequestProperties::default()
        }),
        response: Some(entries::HttpResponseProperties {
            response_code: Some(UInt32Value { value: status }),
            response_code_details: "direct_response".to_owned(),
            ..entries::HttpResponseProperties::default()
        }),
        ..Entry::default()
    }
}

/// Tells for ever, whenever there is anything to tell.
pub(super) async fn run(bootstrap: Bootstrap, node: Node, mut entries: mpsc::Receiver<Entry>) {
    for endpoint in bootstrap.control_plane.iter().cycle() {
        let Some(first) = entries.recv().await else {
            return;
        };
        if let Err(error) = stream(&bootstrap, endpoint, &node, first, &mut entries).await {
            tracing::debug!(endpoint, %error, "what was refused is not told");
        }
        sleep(PAUSE).await;
    }
}

async fn stream(
    bootstrap: &Bootstrap,
    endpoint: &str,
    node: &Node,
    first: Entry,
    entries: &mut mpsc::Receiver<Entry>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let channel = connect(bootstrap, endpoint).await?;
    let (messages, outgoing) = mpsc::channel(1);
    let mut request = Request::new(ReceiverStream::new(outgoing));
    if let Some(injected) = &bootstrap.injected {
        let (key, value) = injected.read().await?;
        request.metadata_mut().insert(key, value);
    }
    let mut client = AccessLogServiceClient::new(channel);
    let telling = async {
        let mut identifier = Some(message::Identifier {
            node: Some(node.clone()),
            log_name: "quarantine".to_owned(),
        });
        let mut batch = vec![first];
        loop {
            let told = message::HttpAccessLogEntries {
                log_entry: std::mem::take(&mut batch),
            };
            let message = als::StreamAccessLogsMessage {
                identifier: identifier.take(),
                log_entries: Some(message::LogEntries::HttpLogs(told)),
            };
            if messages.send(message).await.is_err() {
                return;
            }
            sleep(PAUSE).await;
            if entries.recv_many(&mut batch, BATCH).await == 0 {
                return;
            }
        }
    };
    tokio::select! {
        ended = client.stream_access_logs(request) => {
            ended?;
        }
        () = telling => {}
    }
    Ok(())
}
