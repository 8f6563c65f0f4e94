//! Nonces, and what a client says that it has: rows A9, B5–B8, C19–C21, D6.

use std::collections::BTreeMap;

use crate::client::Delta;
use crate::client::Sotw;
use crate::client::versions;
use crate::world::Cluster;
use crate::world::Endpoint;
use crate::world::Listener;
use crate::world::Route;
use crate::world::Runtime;
use crate::world::Server;

#[tokio::test]
async fn b05_a_stale_nonce_is_no_answer_and_the_next_request_counts() {
    let server = Server::of(&[(Route, "a=1 b=1")]).await;
    let mut client = Sotw::open(&server).await;
    client.ask(Route, "a").await;
    let first = client.take(Route, "a=1", "a").await;
    server.publish(&[(Route, "a=2 b=1")]);
    let second = client.get(Route, "a=2").await;
    client.ack(&first, "a,b").await;
    client.nack(&first, "a,b").await;
    client.quiet().await;
    assert_eq!(server.stats.nacked(Route), 0);
    client.ack(&second, "a,b").await;
    client.take(Route, "b=1", "a,b").await;
}

#[tokio::test]
async fn b06_a_request_without_nonce_in_flight_is_not_lost() {
    let server = Server::of(&[(Route, "a=1 b=1")]).await;
    let mut client = Sotw::open(&server).await;
    client.ask(Route, "a").await;
    client.get(Route, "a=1").await;
    client.ask(Route, "a,b").await;
    // The first response was not answered, so its resource comes along.
    client.take(Route, "a=1 b=1", "a,b").await;
    client.quiet().await;
}

#[tokio::test]
async fn b07_a_nonce_does_not_outlive_its_stream() {
    let server = Server::of(&[(Cluster, "a=1"), (Route, "r=1")]).await;
    let mut client = Sotw::open(&server).await;
    for (ty, list, expected) in [(Cluster, "", "a=1"), (Route, "r", "r=1")] {
        let mut request = Sotw::request(ty, list);
        request.response_nonce = "7".to_owned();
        client.send(request).await;
        client.take(ty, expected, list).await;
    }
}

#[tokio::test]
async fn b08_only_a_wildcard_client_with_the_current_version_is_not_answered() {
    let server = Server::of(&[(Cluster, "a=1"), (Endpoint, "a=1")]).await;
    let mut client = Sotw::open(&server).await;
    client.ask(Cluster, "").await;
    let clusters = client.take(Cluster, "a=1", "").await.version_info;
    client.ask(Endpoint, "a").await;
    let endpoints = client.take(Endpoint, "a=1", "a").await.version_info;

    let mut again = Sotw::open(&server).await;
    let mut request = Sotw::request(Cluster, "");
    request.version_info = clusters.clone();
    again.send(request).await;
    again.quiet().await;
    let mut request = Sotw::request(Endpoint, "a");
    request.version_info = endpoints;
    again.send(request).await;
    again.take(Endpoint, "a=1", "a").await;
    // Whoever was not answered is told of the next change nevertheless.
    server.publish(&[(Cluster, "a=1 b=1"), (Endpoint, "a=1")]);
    again.take(Cluster, "a=1 b=1", "").await;

    let mut outdated = Sotw::open(&server).await;
    let mut request = Sotw::request(Cluster, "");
    request.version_info = clusters;
    outdated.send(request).await;
    outdated.take(Cluster, "a=1 b=1", "").await;
}

#[tokio::test]
async fn b08_a_removal_that_was_missed_is_told() {
    let server = Server::of(&[(Listener, "")]).await;
    let mut client = Sotw::open(&server).await;
    let mut request = Sotw::request(Listener, "");
    request.version_info = "of more".to_owned();
    client.send(request).await;
    client.take(Listener, "", "").await;
}

#[tokio::test]
async fn c19_what_a_wildcard_client_has_is_not_sent_again() {
    let server = Server::of(&[(Cluster, "a=1 b=1 c=1")]).await;
    let mut client = Delta::open(&server).await;
    client.ask(Cluster, "", "").await;
    let has = versions(&client.take(Cluster, "a=1 b=1 c=1").await);

    let mut again = Delta::open(&server).await;
    again.resume(Cluster, "", has.clone()).await;
    again.quiet().await;
    server.publish(&[(Cluster, "a=1 b=2 d=1")]);
    again.take(Cluster, "-c b=2 d=1").await;

    let mut late = Delta::open(&server).await;
    late.resume(Cluster, "*", has).await;
    late.take(Cluster, "-c b=2 d=1").await;
    late.quiet().await;
}

#[tokio::test]
async fn c20_names_are_answered_whatever_the_client_has() {
    for ty in [Endpoint, Route, Runtime] {
        let server = Server::of(&[(ty, "a=1")]).await;
        let mut client = Delta::open(&server).await;
        client.ask(ty, "a", "").await;
        let mut has = versions(&client.take(ty, "a=1").await);
        has.insert("gone".to_owned(), "1".to_owned());
        let mut again = Delta::open(&server).await;
        again.resume(ty, "a,gone", has).await;
        again.take(ty, "-gone a=1").await;
    }
}

#[tokio::test]
async fn c21_what_a_client_has_is_no_subscription_and_said_only_once() {
    let server = Server::of(&[(Route, "a=1 b=1")]).await;
    let mut client = Delta::open(&server).await;
    let has = |name: &str| BTreeMap::from([(name.to_owned(), "old".to_owned())]);
    client.resume(Route, "a", has("b")).await;
    client.take(Route, "a=1").await;
    server.publish(&[(Route, "a=1 b=2")]);
    client.quiet().await;
    client.resume(Route, "", has("a")).await;
    client.quiet().await;
    // Nor when something else is sent.
    client.ask(Route, "b", "").await;
    client.take(Route, "b=2").await;
    client.quiet().await;
}

#[tokio::test]
async fn d06_endpoints_asked_for_before_clusters_are_sent_after_them_again() {
    let server = Server::of(&[(Cluster, "a=1"), (Endpoint, "a=1")]).await;
    let mut client = Sotw::open(&server).await;
    client.ask(Endpoint, "a").await;
    client.take(Endpoint, "a=1", "a").await;
    client.ask(Cluster, "").await;
    client.take(Cluster, "a=1", "").await;
    client.take(Endpoint, "a=1", "a").await;
    client.quiet().await;
}
