//! The client status discovery service: what each connected client was sent, and what it said of it.
//!
//! The server's side of it (`envoy/service/status/v3/csds.proto`): a `ClientConfig` for each stream, a `GenericXdsConfig`
//! for each resource on it. `PerXdsConfig` is its deprecated form and is not filled. No times are kept.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Request;
use tonic::Response;
use tonic::Status;
use tonic::Streaming;

use super::clients;
use super::clients::Clients;
use super::gate::Gate;
use super::gate::Guest;
use super::node_matcher::Nodes;
use super::substream::Answer;
use super::substream::Entry;
use super::substream::Sent;
use crate::proto::envoy::admin::v3 as admin;
use crate::proto::envoy::config::core::v3 as core;
use crate::proto::envoy::service::status::v3 as csds;
use crate::proto::envoy::service::status::v3::client_config::GenericXdsConfig;
use crate::proto::envoy::service::status::v3::client_status_discovery_service_server as grpc;
use crate::proto::google::protobuf::Any;

/// The service, over the streams of one server.
#[derive(Debug)]
pub(super) struct Csds {
    pub(super) clients: Arc<Clients>,
    pub(super) gate: Arc<Gate>,
}

#[tonic::async_trait]
impl grpc::ClientStatusDiscoveryService for Csds {
    type StreamClientStatusStream = ReceiverStream<Result<csds::ClientStatusResponse, Status>>;

    async fn stream_client_status(
        &self,
        request: Request<Streaming<csds::ClientStatusRequest>>,
    ) -> Result<Response<Self::StreamClientStatusStream>, Status> {
        let guest = self
            .gate
            .enter(request.metadata().as_ref(), request.extensions())
            .guest()
            .await?;
        let mut requests = request.into_inner();
        let clients = Arc::clone(&self.clients);
        let (responses, outbound) = mpsc::channel(1);
        tokio::spawn(async move {
            loop {
                let request = tokio::select! {
                    request = requests.message() => request,
                    () = responses.closed() => return,
                };
                let response = match request {
                    Ok(Some(request)) => statuses(&clients, &guest, &request),
                    Ok(None) => return,
                    Err(status) => Err(status),
                };
                let last = response.is_err();
                if responses.send(response).await.is_err() || last {
                    return;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(outbound)))
    }

    async fn fetch_client_status(
        &self,
        request: Request<csds::ClientStatusRequest>,
    ) -> Result<Response<csds::ClientStatusResponse>, Status> {
        let guest = self
            .gate
            .enter(request.metadata().as_ref(), request.extensions())
            .guest()
            .await?;
        statuses(&self.clients, &guest, request.get_ref()).map(Response::new)
    }
}

/// Answers one request, which stands for itself: later ones of a stream say again whom they are about. Nodes that whoever
/// asks could not be are not told of, as if they were not connected.
fn statuses(
    clients: &Clients,
    guest: &Guest,
    request: &csds::ClientStatusRequest,
) -> Result<csds::ClientStatusResponse, Status> {
    let nodes = Nodes::new(&request.node_matchers).map_err(Status::invalid_argument)?;
    let mut statuses = clients.holdings();
    statuses.retain(|status| guest.may_see(&status.node) && nodes.matches(&status.node.key));
    let contents = !request.exclude_resource_contents;
    let config = statuses.into_iter().map(|status| client(status, contents));
    Ok(csds::ClientStatusResponse {
        config: config.collect(),
    })
}

fn client(status: clients::Holdings, contents: bool) -> csds::ClientConfig {
    let entries = status.entries.into_iter();
    csds::ClientConfig {
        node: Some(core::Node {
            id: status.node.key.to_string(),
            ..core::Node::default()
        }),
        generic_xds_configs: entries.map(|entry| resource(entry, contents)).collect(),
        ..csds::ClientConfig::default()
    }
}

fn resource(entry: Entry, contents: bool) -> GenericXdsConfig {
    let type_url = entry.ty.type_url();
    let (version, body) = match entry.sent {
        Sent::Resource(version, body) => (version.to_string(), body),
        Sent::Absence | Sent::Nothing => (String::new(), None),
    };
    let absent = version.is_empty();
    let mut error_state = None;
    let (config_status, client_status) = match entry.answer {
        Answer::NotSent => (
            csds::ConfigStatus::NotSent,
            admin::ClientResourceStatus::Requested,
        ),
        Answer::Awaited => (
            csds::ConfigStatus::Stale,
            admin::ClientResourceStatus::Requested,
        ),
        Answer::Accepted if absent => (
            csds::ConfigStatus::Synced,
            admin::ClientResourceStatus::DoesNotExist,
        ),
        Answer::Accepted => (
            csds::ConfigStatus::Synced,
            admin::ClientResourceStatus::Acked,
        ),
        Answer::Rejected(reason) => {
            error_state = Some(admin::UpdateFailureState {
                details: reason.to_string(),
                version_info: version.clone(),
                ..admin::UpdateFailureState::default()
            });
            (
                csds::ConfigStatus::Error,
                admin::ClientResourceStatus::Nacked,
            )
        }
    };
    GenericXdsConfig {
        type_url: type_url.to_owned(),
        name: entry.name.to_string(),
        version_info: version,
        xds_config: body.filter(|_| contents).map(|value| Any {
            type_url: type_url.to_owned(),
            value,
        }),
        config_status: config_status.into(),
        client_status: client_status.into(),
        error_state,
        ..GenericXdsConfig::default()
    }
}
