//! The access log service: the sidecars of those in quarantine say what they refused.
//!
//! The server's side of it (`envoy/service/accesslog/v3/als.proto`). The client says who it is in the first message of a
//! stream; it reports for the node that it may be, and for no other. Of a call no more is kept than how it was made and to
//! whom.

use std::sync::Arc;

use tonic::Request;
use tonic::Response;
use tonic::Status;
use tonic::Streaming;

use super::gate::Gate;
use super::node::Node;
use super::refusals::Refusals;
use crate::model::Call;
use crate::proto::envoy::config::core::v3::Address;
use crate::proto::envoy::config::core::v3::RequestMethod;
use crate::proto::envoy::config::core::v3::address;
use crate::proto::envoy::config::core::v3::socket_address::PortSpecifier;
use crate::proto::envoy::data::accesslog::v3::HttpAccessLogEntry;
use crate::proto::envoy::data::accesslog::v3::TcpAccessLogEntry;
use crate::proto::envoy::service::accesslog::v3 as als;
use crate::proto::envoy::service::accesslog::v3::access_log_service_server as grpc;
use crate::proto::envoy::service::accesslog::v3::stream_access_logs_message::LogEntries;

/// What says that the sidecar answered by itself, and not somebody else who said 403 as well.
const BY_ITSELF: &str = "direct_response";

/// The longest name of a host that is kept, in characters.
const LONGEST: usize = 100;

/// The service of one server.
#[derive(Debug)]
pub(super) struct AccessLogs {
    pub(super) gate: Arc<Gate>,
    pub(super) refusals: Arc<Refusals>,
}

#[tonic::async_trait]
impl grpc::AccessLogService for AccessLogs {
    async fn stream_access_logs(
        &self,
        request: Request<Streaming<als::StreamAccessLogsMessage>>,
    ) -> Result<Response<als::StreamAccessLogsResponse>, Status> {
        let guest = self
            .gate
            .enter(request.metadata().as_ref(), request.extensions())
            .guest()
            .await?;
        let mut messages = request.into_inner();
        let mut node = None;
        while let Some(message) = messages.message().await? {
            if let Some(identifier) = message.identifier {
                let one = Node::new(&identifier.node.unwrap_or_default());
                guest.identify(&one)?;
                node = one.name().cloned();
            }
            if let (Some(node), Some(entries)) = (&node, message.log_entries) {
                self.refusals.report(node, calls(entries));
            }
        }
        Ok(Response::new(als::StreamAccessLogsResponse {}))
    }
}

fn calls(entries: LogEntries) -> Vec<Call> {
    match entries {
        LogEntries::HttpLogs(logs) => logs.log_entry.into_iter().filter_map(request).collect(),
        LogEntries::TcpLogs(logs) => logs.log_entry.into_iter().map(connection).collect(),
    }
}

fn request(entry: HttpAccessLogEntry) -> Option<Call> {
    entry
        .response
        .filter(|response| response.response_code_details == BY_ITSELF)?;
    let request = entry.request.unwrap_or_default();
    Some(Call {
        what: match request.request_method() {
            RequestMethod::MethodUnspecified => "another method".to_owned(),
            method => method.as_str_name().to_owned(),
        },
        to: request.authority.chars().take(LONGEST).collect(),
    })
}

fn connection(entry: TcpAccessLogEntry) -> Call {
    let common = entry.common_properties.unwrap_or_default();
    Call {
        what: "TCP".to_owned(),
        to: common
            .downstream_local_address
            .and_then(text)
            .unwrap_or_default(),
    }
}

fn text(address: Address) -> Option<String> {
    let Some(address::Address::SocketAddress(socket)) = address.address else {
        return None;
    };
    let ip = socket.address.parse::<std::net::IpAddr>().ok()?;
    let Some(PortSpecifier::PortValue(port)) = socket.port_specifier else {
        return None;
    };
    Some(std::net::SocketAddr::new(ip, u16::try_from(port).ok()?).to_string())
}
