//! What is not offered does no harm: rows B29, C26, C27, E, F, G1, odd names and limits.

use std::collections::BTreeMap;

use mirrorplane::proto::envoy::service::discovery::v3::DiscoveryRequest;
use mirrorplane::proto::envoy::service::discovery::v3::ResourceLocator;
use mirrorplane::snapshot::ResourceType;
use tonic::Code;

use crate::client::Delta;
use crate::client::Sotw;
use crate::client::connect;
use crate::client::node;
use crate::world::Cluster;
use crate::world::Endpoint;
use crate::world::NODE;
use crate::world::Route;
use crate::world::Server;

/// What clients announce that know more than is offered.
const FEATURES: [&str; 3] = [
    "xds.config.resource-in-sotw",
    "xds.config.supports-resource-ttl",
    "xds.config.supports-resource-in-sotw",
];

fn locator(name: &str) -> ResourceLocator {
    ResourceLocator {
        name: name.to_owned(),
        dynamic_parameters: BTreeMap::from([("env".to_owned(), "canary".to_owned())]),
    }
}

#[tokio::test]
async fn b29_resources_are_bare_whatever_a_client_announces() {
    for ty in ResourceType::ALL {
        let server = Server::of(&[(ty, "a=1")]).await;
        let mut client = Sotw::open(&server).await;
        let mut request = Sotw::request(ty, "a");
        let mut own = node(NODE).expect("a node");
        own.client_features = FEATURES.map(str::to_owned).to_vec();
        request.node = Some(own);
        client.send(request).await;
        // `get` compares the type URL of each `Any`: a wrapped resource has another.
        let response = client.get(ty, "a=1").await;
        assert!(response.resource_errors.is_empty());
    }
}

#[tokio::test]
async fn c26_without_aliases_a_subscription_matches_names_alone() {
    let server = Server::of(&[(Route, "a=1")]).await;
    let mut client = Delta::open(&server).await;
    client.ask(Route, "a,also-a", "").await;
    let response = client.take(Route, "-also-a a=1").await;
    assert!(response.resources.iter().all(|r| r.aliases.is_empty()));
}

#[tokio::test]
async fn c27_nothing_is_sent_that_was_not_asked_for() {
    for ty in ResourceType::ALL {
        let server = Server::of(&[(ty, "a=1 b=1")]).await;
        let (mut sotw, mut delta) = (Sotw::open(&server).await, Delta::open(&server).await);
        sotw.ask(ty, "a").await;
        sotw.take(ty, "a=1", "a").await;
        delta.ask(ty, "a", "").await;
        delta.take(ty, "a=1").await;
        server.publish(&[(ty, "a=2 b=2 c=1")]);
        sotw.take(ty, "a=2", "a").await;
        delta.take(ty, "a=2").await;
        server.publish(&[(ty, "a=2 b=3")]);
        sotw.quiet().await;
        delta.quiet().await;
    }
}

#[tokio::test]
async fn e01_no_resource_has_a_time_to_live_and_silence_takes_nothing_away() {
    let server = Server::of(&[(Endpoint, "a=1"), (Cluster, "a=1")]).await;
    let mut client = Delta::open(&server).await;
    for ty in [Cluster, Endpoint] {
        let mut request = Delta::request(ty, "a", "");
        let mut own = node(NODE).expect("a node");
        own.client_features = FEATURES.map(str::to_owned).to_vec();
        request.node = Some(own);
        client.send(request).await;
        let response = client.take(ty, "a=1").await;
        for resource in &response.resources {
            assert!(resource.ttl.is_none() && resource.cache_control.is_none());
        }
    }
    // A heartbeat would be a response.
    client.quiet().await;
}

#[tokio::test]
async fn f01_a_missing_name_is_told_in_the_fields_that_every_client_knows() {
    let server = Server::of(&[(Cluster, "a=1")]).await;
    let (mut sotw, mut delta) = (Sotw::open(&server).await, Delta::open(&server).await);
    sotw.ask(Cluster, "a,none").await;
    let whole = sotw.take(Cluster, "a=1", "a,none").await;
    delta.ask(Cluster, "a,none", "").await;
    let increment = delta.take(Cluster, "-none a=1").await;
    assert!(whole.resource_errors.is_empty() && increment.resource_errors.is_empty());
    assert!(increment.removed_resource_names.is_empty());
}

#[tokio::test]
async fn g01_locators_are_names_and_their_parameters_are_not_looked_at() {
    for ty in [Cluster, Route] {
        let server = Server::of(&[(ty, "a=1 b=1 c=1")]).await;
        let mut sotw = Sotw::open(&server).await;
        // Alone they are no wildcard; beside names they add to them.
        let mut request = Sotw::request(ty, "");
        request.resource_locators = vec![locator("a")];
        sotw.send(request).await;
        let first = sotw.get(ty, "a=1").await;
        sotw.send(DiscoveryRequest {
            response_nonce: first.nonce,
            version_info: first.version_info,
            resource_locators: vec![locator("a"), locator("none")],
            ..Sotw::request(ty, "b")
        })
        .await;
        let full = ty.is_full_state();
        sotw.get(ty, if full { "a=1 b=1" } else { "b=1" }).await;

        let mut delta = Delta::open(&server).await;
        let mut request = Delta::request(ty, "b", "");
        request.resource_locators_subscribe = vec![locator("a"), locator("none")];
        delta.send(request).await;
        let response = delta.take(ty, "-none a=1 b=1").await;
        for resource in &response.resources {
            assert!(resource.resource_name.is_none(), "a plain name");
        }
        let mut request = Delta::request(ty, "", "");
        request.resource_locators_unsubscribe = vec![locator("a")];
        delta.send(request).await;
        delta.quiet().await;
        server.publish(&[(ty, "a=2 b=2 c=2")]);
        delta.take(ty, "b=2").await;
    }
}

#[tokio::test]
async fn b30_odd_names_are_opaque_in_both_variants() {
    let long = "x".repeat(4096);
    let odd = [
        "/", ":", "a/b:c|80", "A", "ü", "名前", "a*", "*a", "**", "a,b", &long,
    ];
    let mut all: Vec<String> = odd.iter().map(|name| format!("{name}=1")).collect();
    all.sort();
    let expected = all.join(" ");
    for ty in [Cluster, Route] {
        let server = Server::of(&[(ty, &expected)]).await;
        let mut sotw = Sotw::open(&server).await;
        let mut request = Sotw::request(ty, "");
        request.resource_names = odd.iter().map(|name| (*name).to_owned()).collect();
        // The empty name is a name: no wildcard, and there is no such resource.
        request.resource_names.push(String::new());
        sotw.send(request).await;
        sotw.get(ty, &expected).await;

        let mut delta = Delta::open(&server).await;
        let mut request = Delta::request(ty, "", "");
        request.resource_names_subscribe = odd.iter().map(|name| (*name).to_owned()).collect();
        request.resource_names_subscribe.push(String::new());
        delta.send(request).await;
        let response = delta.next().await;
        assert_eq!(response.resources.len(), odd.len());
        assert_eq!(response.removed_resources, [""]);
        delta.ack(&response).await;
        // What differs by a letter, or would match a pattern, is another name.
        server.publish(&[(ty, &format!("{expected} a=1 aa=1 *aa=1 u=1"))]);
        delta.quiet().await;
    }
}

#[tokio::test]
async fn b30_an_empty_name_alone_is_no_wildcard() {
    let server = Server::of(&[(Cluster, "a=1")]).await;
    let (mut sotw, mut delta) = (Sotw::open(&server).await, Delta::open(&server).await);
    let mut request = Sotw::request(Cluster, "");
    request.resource_names.push(String::new());
    sotw.send(request).await;
    sotw.take(Cluster, "", "").await;
    let mut request = Delta::request(Cluster, "", "");
    request.resource_names_subscribe.push(String::new());
    delta.send(request).await;
    let response = delta.next().await;
    assert!(response.resources.is_empty());
    assert_eq!(response.removed_resources, [""]);
}

#[tokio::test]
async fn a20_a_request_beyond_the_limit_ends_its_stream_only() {
    let server = Server::of(&[(Cluster, "a=1")]).await;
    let mut connection = connect(&server).await;
    let mut bystander = Sotw::over(&mut connection).await;
    bystander.ask(Cluster, "").await;
    bystander.take(Cluster, "a=1", "").await;
    let mut client = Sotw::over(&mut connection).await;
    let mut request = Sotw::request(Endpoint, "");
    let names = (0..5_000).map(|n| format!("{n}-{}", "x".repeat(4_000)));
    request.resource_names.extend(names);
    client.send(request).await;
    let end = client.end().await.expect_err("an error");
    assert!(
        [Code::OutOfRange, Code::ResourceExhausted].contains(&end.code()),
        "{end:?}"
    );
    server.publish(&[(Cluster, "a=2")]);
    bystander.take(Cluster, "a=2", "").await;
}
