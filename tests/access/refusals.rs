//! What sidecars refused to those in quarantine: whose word counts, and what is kept of it.

use std::sync::Arc;
use std::time::Duration;

use mirrorplane::access::Refusal;
use mirrorplane::model::GroupId;
use mirrorplane::model::RefusedCalls;
use mirrorplane::proto::envoy::config::core::v3::address;
use mirrorplane::proto::envoy::config::core::v3::socket_address::PortSpecifier;
use mirrorplane::proto::envoy::config::core::v3::{Address, Node, RequestMethod, SocketAddress};
use mirrorplane::proto::envoy::data::accesslog::v3 as entries;
use mirrorplane::proto::envoy::service::accesslog::v3::StreamAccessLogsMessage;
use mirrorplane::proto::envoy::service::accesslog::v3::access_log_service_client::AccessLogServiceClient;
use mirrorplane::proto::envoy::service::accesslog::v3::stream_access_logs_message as message;
use mirrorplane::server::Held;
use tokio::time::timeout;
use tonic::Code;

use crate::rig::{Asks, Client, DEADLINE, Server};

const TOKEN: &str = "0123456789abcdef";
const TOKENS: &str = "0123456789abcdef curl/curl\n";

fn request(method: RequestMethod, details: &str) -> entries::HttpAccessLogEntry {
    entries::HttpAccessLogEntry {
        request: Some(entries::HttpRequestProperties {
            request_method: method.into(),
            authority: "ratings:9080".to_owned(),
            path: "/a/secret".to_owned(),
            ..entries::HttpRequestProperties::default()
        }),
        response: Some(entries::HttpResponseProperties {
            response_code_details: details.to_owned(),
            ..entries::HttpResponseProperties::default()
        }),
        ..entries::HttpAccessLogEntry::default()
    }
}

fn requests() -> message::LogEntries {
    let log_entry = vec![
        request(RequestMethod::Post, "direct_response"),
        request(RequestMethod::Post, "direct_response"),
        request(RequestMethod::MethodUnspecified, "direct_response"),
        // Somebody else said 403.
        request(RequestMethod::Get, "via_upstream"),
    ];
    message::LogEntries::HttpLogs(message::HttpAccessLogEntries { log_entry })
}

fn connections() -> message::LogEntries {
    let at = SocketAddress {
        address: "10.0.0.1".to_owned(),
        port_specifier: Some(PortSpecifier::PortValue(5432)),
        ..SocketAddress::default()
    };
    let common = entries::AccessLogCommon {
        downstream_local_address: Some(Address {
            address: Some(address::Address::SocketAddress(at)),
        }),
        ..entries::AccessLogCommon::default()
    };
    let entry = entries::TcpAccessLogEntry {
        common_properties: Some(common),
        ..entries::TcpAccessLogEntry::default()
    };
    message::LogEntries::TcpLogs(message::TcpAccessLogEntries {
        log_entry: vec![entry],
    })
}

/// Reports for a node, on one stream.
async fn report(client: &Client, node: &str) -> Result<(), Code> {
    let first = StreamAccessLogsMessage {
        identifier: Some(message::Identifier {
            node: Some(Node {
                id: node.to_owned(),
                ..Node::default()
            }),
            log_name: "quarantine".to_owned(),
        }),
        log_entries: Some(requests()),
    };
    let second = StreamAccessLogsMessage {
        identifier: None,
        log_entries: Some(connections()),
    };
    let mut service = AccessLogServiceClient::new(client.connect().await.unwrap());
    let request = client.request(tokio_stream::iter([first, second]));
    let answer = timeout(DEADLINE, service.stream_access_logs(request)).await;
    answer
        .expect("in time")
        .map(drop)
        .map_err(|status| status.code())
}

fn held(node: &str) -> Held {
    let group = GroupId::new("group");
    Held {
        nodes: Arc::new([(node.parse().unwrap(), group.clone())].into()),
        rules: [(group, vec!["curl/rule".parse().unwrap()])].into(),
    }
}

#[tokio::test]
async fn nobody_reports_for_a_node_that_it_may_not_be() {
    let server = Server::start(Asks::Token, TOKENS).await;
    server.stats.refusals().expect(held("curl/other"));
    let none = report(&server.client(), "curl/curl").await;
    assert_eq!(none, Err(Code::Unauthenticated));
    server.has_refused(Refusal::NoCredential, 1).await;
    let other = report(&server.client().token(TOKEN), "curl/other").await;
    assert_eq!(other, Err(Code::PermissionDenied));
    server.has_refused(Refusal::OtherNode, 1).await;
    // Itself it may be, but it is not in quarantine.
    let itself = report(&server.client().token(TOKEN), "curl/curl").await;
    assert_eq!(itself, Ok(()));
    assert!(server.stats.refusals().all().is_empty());
}

#[tokio::test]
async fn of_each_call_it_is_kept_how_it_was_made_and_to_whom() {
    let server = Server::start(Asks::Token, TOKENS).await;
    server.stats.refusals().expect(held("curl/curl"));
    let told = report(&server.client().token(TOKEN), "curl/curl").await;
    assert_eq!(told, Ok(()));
    let counted = timeout(DEADLINE, async {
        loop {
            let all = server.stats.refusals().all();
            let RefusedCalls { total, calls } = all.into_values().next().unwrap_or_default();
            if total == 4 {
                return calls;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let calls = counted.await.expect("all is counted");
    let calls: Vec<_> = calls
        .into_iter()
        .map(|(call, count)| (call.to_string(), count))
        .collect();
    let expected = [
        ("POST ratings:9080", 2),
        ("TCP 10.0.0.1:5432", 1),
        ("another method ratings:9080", 1),
    ];
    assert_eq!(
        calls,
        expected.map(|(call, count)| (call.to_owned(), count))
    );
}
