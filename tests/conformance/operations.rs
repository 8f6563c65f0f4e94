//! Health and reflection, on the same port.

use std::collections::BTreeSet;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1 as reflection;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::client::connect;
use crate::world::Server;
use crate::world::world;

const ADS: &str = "envoy.service.discovery.v3.AggregatedDiscoveryService";

fn of(service: &str) -> HealthCheckRequest {
    HealthCheckRequest {
        service: service.to_owned(),
    }
}

#[tokio::test]
async fn ads_is_healthy_once_there_is_something_to_serve() {
    let server = Server::start(None).await;
    let connection = connect(&server).await;
    let mut client = HealthClient::new(connection.channel.clone());
    let whole = client.check(of("")).await.expect("an answer");
    assert_eq!(whole.get_ref().status(), ServingStatus::Serving);
    let stranger = client.check(of("some.Service")).await;
    assert_eq!(stranger.expect_err("an error").code(), Code::NotFound);
    let watching = client.watch(of(ADS)).await;
    let mut watching = watching.expect("a stream").into_inner();
    let mut next = async || {
        let message = watching.message().await.expect("no error");
        message.expect("a status").status()
    };
    assert_eq!(next().await, ServingStatus::NotServing);
    server.publish_world(world(&[]));
    assert_eq!(next().await, ServingStatus::Serving);
    let ads = client.check(of(ADS)).await.expect("an answer");
    assert_eq!(ads.get_ref().status(), ServingStatus::Serving);
}

async fn reflect(server: &Server, ask: MessageRequest) -> MessageResponse {
    let connection = connect(server).await;
    let mut client = ServerReflectionClient::new(connection.channel.clone());
    let (requests, outbound) = mpsc::channel(1);
    let request = reflection::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(ask),
    };
    requests.send(request).await.expect("an open stream");
    let responses = client.server_reflection_info(ReceiverStream::new(outbound));
    let mut responses = responses.await.expect("a stream").into_inner();
    let response = responses.message().await.expect("no error");
    response
        .and_then(|r| r.message_response)
        .expect("an answer")
}

#[tokio::test]
async fn every_service_is_listed_and_described() {
    let server = Server::of(&[]).await;
    let listed = reflect(&server, MessageRequest::ListServices(String::new())).await;
    let MessageResponse::ListServicesResponse(listed) = listed else {
        panic!("a list, not {listed:?}");
    };
    let listed: BTreeSet<_> = listed.service.into_iter().map(|s| s.name).collect();
    for service in [
        ADS,
        "envoy.service.cluster.v3.ClusterDiscoveryService",
        "envoy.service.endpoint.v3.EndpointDiscoveryService",
        "envoy.service.listener.v3.ListenerDiscoveryService",
        "envoy.service.route.v3.RouteDiscoveryService",
        "envoy.service.runtime.v3.RuntimeDiscoveryService",
        "envoy.service.accesslog.v3.AccessLogService",
        "envoy.service.load_stats.v3.LoadReportingService",
        "envoy.service.status.v3.ClientStatusDiscoveryService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
    ] {
        assert!(listed.contains(service), "{service} in {listed:?}");
        let symbol = MessageRequest::FileContainingSymbol(service.to_owned());
        let file = reflect(&server, symbol).await;
        assert!(
            matches!(file, MessageResponse::FileDescriptorResponse(_)),
            "{file:?}"
        );
    }
}
