//! What the services beside ADS tell, and to whom.

use mirrorplane::access::Refusal;
use mirrorplane::proto::envoy::config::core::v3::Node;
use mirrorplane::proto::envoy::service::cluster::v3::cluster_discovery_service_client::ClusterDiscoveryServiceClient;
use mirrorplane::proto::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DiscoveryRequest};
use mirrorplane::proto::envoy::service::status::v3::ClientStatusRequest;
use mirrorplane::proto::envoy::service::status::v3::client_status_discovery_service_client::ClientStatusDiscoveryServiceClient;
use tokio::time::timeout;
use tokio_stream::StreamExt;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::rig::{Asks, Client, DEADLINE, Server};

const CURL: &str = "0123456789abcdef";
const CURLS: &str = "fedcba9876543210";
const PIPY: &str = "00112233445566778899";
const TOKENS: &str = "0123456789abcdef curl/curl
fedcba9876543210 curl/*
00112233445566778899 pipy/pipy
";

fn node(id: &str) -> Option<Node> {
    Some(Node {
        id: id.to_owned(),
        ..Default::default()
    })
}

/// Asks the service of clusters alone as this node, in both variants: why there was no answer.
async fn clusters(client: &Client, id: &str) -> [Result<(), Code>; 2] {
    let mut service = ClusterDiscoveryServiceClient::new(client.connect().await.unwrap());
    let whole = DiscoveryRequest {
        node: node(id),
        ..Default::default()
    };
    // A request does not end: with its requests, the stream would end as well.
    let whole = tokio_stream::once(whole).chain(tokio_stream::pending());
    let sotw = async {
        let responses = service.stream_clusters(client.request(whole)).await?;
        responses.into_inner().message().await.map(drop)
    };
    let sotw = timeout(DEADLINE, sotw).await.expect("an end in time");
    let change = DeltaDiscoveryRequest {
        node: node(id),
        ..Default::default()
    };
    let change = tokio_stream::once(change).chain(tokio_stream::pending());
    let delta = async {
        let responses = service.delta_clusters(client.request(change)).await?;
        responses.into_inner().message().await.map(drop)
    };
    let delta = timeout(DEADLINE, delta).await.expect("an end in time");
    [sotw, delta].map(|end: Result<(), Status>| end.map_err(|status| status.code()))
}

/// The nodes that the client is told of; a stream and a single question give the same answer.
async fn told_of(client: &Client) -> Result<Vec<String>, Code> {
    let channel = client.connect().await.unwrap();
    let mut service = ClientStatusDiscoveryServiceClient::new(channel);
    let question = ClientStatusRequest::default();
    let one = service
        .fetch_client_status(client.request(question.clone()))
        .await
        .map(tonic::Response::into_inner);
    let stream = async {
        let requests = client.request(tokio_stream::once(question));
        let responses = service.stream_client_status(requests).await?;
        let answer = responses.into_inner().message().await?;
        Ok(answer.expect("an answer"))
    };
    let stream = timeout(DEADLINE, stream).await.expect("an end in time");
    let [one, stream] = [one, stream].map(|answer: Result<_, Status>| {
        let config = answer.map_err(|status| status.code())?.config;
        let ids = config.into_iter().map(|client| client.node.unwrap().id);
        Ok(ids.collect::<Vec<_>>())
    });
    assert_eq!(one, stream);
    one
}

#[tokio::test]
async fn a_service_of_one_type_is_guarded_as_all_are() {
    let server = Server::start(Asks::Token, TOKENS).await;
    let none = clusters(&server.client(), "curl/curl").await;
    assert_eq!(none, [Err(Code::Unauthenticated); 2]);
    server.has_refused(Refusal::NoCredential, 2).await;
    let wrong = server.client().token("0123456789abcdee");
    let wrong = clusters(&wrong, "curl/curl").await;
    assert_eq!(wrong, [Err(Code::Unauthenticated); 2]);
    server.has_refused(Refusal::WrongToken, 2).await;
    let other = clusters(&server.client().token(CURL), "pipy/pipy").await;
    assert_eq!(other, [Err(Code::PermissionDenied); 2]);
    server.has_refused(Refusal::OtherNode, 2).await;
    let own = clusters(&server.client().token(CURL), "curl/curl").await;
    assert_eq!(own, [Ok(()); 2]);
}

#[tokio::test]
async fn a_client_is_told_of_no_node_that_it_could_not_be() {
    let server = Server::start(Asks::Token, TOKENS).await;
    let holding = |token| server.client().token(token);
    let _curl = holding(CURL).ask("curl/curl").await.unwrap();
    let _other = holding(CURLS).ask("curl/other").await.unwrap();
    let _pipy = holding(PIPY).ask("pipy/pipy").await.unwrap();
    for (token, expected) in [
        (CURL, &["curl/curl"][..]),
        (CURLS, &["curl/curl", "curl/other"]),
        (PIPY, &["pipy/pipy"]),
    ] {
        assert_eq!(told_of(&holding(token)).await.unwrap(), expected);
    }
    let refused = told_of(&server.client()).await;
    assert_eq!(refused, Err(Code::Unauthenticated));
    server.counts(Refusal::NoCredential, 2).await;
    let refused = told_of(&holding("0123456789abcdee")).await;
    assert_eq!(refused, Err(Code::Unauthenticated));
    server.counts(Refusal::WrongToken, 2).await;
}

#[tokio::test]
async fn anyone_may_ask_whether_it_is_healthy() {
    let server = Server::start(Asks::Token, TOKENS).await;
    let channel = server.client().connect().await.unwrap();
    let question = HealthCheckRequest::default();
    HealthClient::new(channel).check(question).await.unwrap();
}
