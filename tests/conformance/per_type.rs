//! Services of single types: rows A2, A4.

use mirrorplane::proto::envoy::service::discovery::v3::DeltaDiscoveryRequest;
use mirrorplane::proto::envoy::service::discovery::v3::DiscoveryRequest;
use mirrorplane::snapshot::ResourceType;
use tonic::Code;

use crate::client::Delta;
use crate::client::Sotw;
use crate::client::connect;
use crate::world::Cluster;
use crate::world::Endpoint;
use crate::world::Listener;
use crate::world::Route;
use crate::world::Runtime;
use crate::world::Server;

/// The services: package and name, the name of the methods.
const SERVICES: [(ResourceType, &str, &str); 5] = [
    (Cluster, "cluster.v3.ClusterDiscoveryService", "Clusters"),
    (
        Endpoint,
        "endpoint.v3.EndpointDiscoveryService",
        "Endpoints",
    ),
    (
        Listener,
        "listener.v3.ListenerDiscoveryService",
        "Listeners",
    ),
    (Route, "route.v3.RouteDiscoveryService", "Routes"),
    (Runtime, "runtime.v3.RuntimeDiscoveryService", "Runtime"),
];

fn path(service: &str, variant: &str, method: &str) -> String {
    format!("/envoy.service.{service}/{variant}{method}")
}

async fn everything() -> Server {
    let all = SERVICES.map(|(ty, ..)| (ty, "a=1 b=1"));
    Server::of(&all).await
}

#[tokio::test]
async fn a02_a_service_of_one_type_needs_no_type_and_tells_it() {
    let server = everything().await;
    let connection = connect(&server).await;
    let mut clients = Vec::new();
    for (ty, service, method) in SERVICES {
        let mut sotw = Sotw::at(&connection, &path(service, "Stream", method)).await;
        let mut delta = Delta::at(&connection, &path(service, "Delta", method)).await;
        sotw.send(DiscoveryRequest {
            type_url: String::new(),
            ..Sotw::request(ty, "a")
        })
        .await;
        let first = sotw.get(ty, "a=1").await;
        // An answer without a type is an answer; one with the type is as good.
        sotw.send(DiscoveryRequest {
            version_info: first.version_info,
            response_nonce: first.nonce,
            ..Sotw::request(ty, "a,b")
        })
        .await;
        let full = ty.is_full_state();
        let second = sotw.get(ty, if full { "a=1 b=1" } else { "b=1" }).await;
        sotw.send(DiscoveryRequest {
            type_url: String::new(),
            version_info: second.version_info,
            response_nonce: second.nonce,
            ..Sotw::request(ty, "a,b")
        })
        .await;
        sotw.quiet().await;
        delta
            .send(DeltaDiscoveryRequest {
                type_url: String::new(),
                ..Delta::request(ty, "a", "")
            })
            .await;
        let response = delta.get(ty, "a=1").await;
        delta
            .send(DeltaDiscoveryRequest {
                response_nonce: response.nonce,
                ..DeltaDiscoveryRequest::default()
            })
            .await;
        delta.quiet().await;
        clients.push((ty, full, sotw, delta));
    }
    server.publish(&SERVICES.map(|(ty, ..)| (ty, "a=2 b=1")));
    for (ty, full, mut sotw, mut delta) in clients {
        sotw.get(ty, if full { "a=2 b=1" } else { "a=2" }).await;
        delta.get(ty, "a=2").await;
    }
}

#[tokio::test]
async fn a04_another_type_ends_the_stream() {
    let server = everything().await;
    let connection = connect(&server).await;
    for (ty, service, method) in SERVICES {
        let mut bystander = Sotw::at(&connection, &path(service, "Stream", method)).await;
        bystander.ask(ty, "a").await;
        bystander.take(ty, "a=1", "a").await;
        let other = SERVICES.map(|(ty, ..)| ty.type_url());
        let other = other.into_iter().filter(|url| *url != ty.type_url());
        for url in other.chain(["type.googleapis.com/some.Secret", "nonsense"]) {
            let mut sotw = Sotw::at(&connection, &path(service, "Stream", method)).await;
            let mut request = Sotw::request(ty, "");
            request.type_url = url.to_owned();
            sotw.send(request).await;
            let end = sotw.end().await.expect_err("an error");
            assert_eq!(end.code(), Code::InvalidArgument, "{url} of {service}");
            let mut delta = Delta::at(&connection, &path(service, "Delta", method)).await;
            let mut request = Delta::request(ty, "", "");
            request.type_url = url.to_owned();
            delta.send(request).await;
            let end = delta.end().await.expect_err("an error");
            assert_eq!(end.code(), Code::InvalidArgument, "{url} of {service}");
        }
        bystander.ask(ty, "a").await;
        bystander.quiet().await;
    }
}
