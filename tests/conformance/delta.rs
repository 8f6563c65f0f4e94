//! Incremental: rows C2–C10, C16, C17, C22, C24, C25, A5.

use crate::client::Delta;
use crate::client::versions;
use crate::world::Cluster;
use crate::world::Endpoint;
use crate::world::Route;
use crate::world::Server;

#[tokio::test]
async fn c02_a_name_is_answered_though_subscribed_and_unchanged() {
    let server = Server::of(&[(Route, "a=1")]).await;
    let mut client = Delta::open(&server).await;
    client.ask(Route, "a", "").await;
    client.take(Route, "a=1").await;
    client.ask(Route, "a", "").await;
    client.take(Route, "a=1").await;
    client.quiet().await;
}

#[tokio::test]
async fn c03_c04_a_missing_name_is_told_at_once_and_sent_when_it_is_created() {
    for ty in [Cluster, Endpoint, Route] {
        let server = Server::of(&[(ty, "a=1")]).await;
        let mut client = Delta::open(&server).await;
        client.ask(ty, "a,late", "").await;
        client.take(ty, "-late a=1").await;
        server.publish(&[(ty, "a=2")]);
        client.take(ty, "a=2").await;
        server.publish(&[(ty, "a=2 late=1")]);
        client.take(ty, "late=1").await;
    }
}

#[tokio::test]
async fn c05_c06_only_what_changed_is_sent_and_an_ack_is_not_answered() {
    let server = Server::of(&[(Cluster, "a=1 b=1")]).await;
    let mut client = Delta::open(&server).await;
    client.ask(Cluster, "", "").await;
    let response = client.take(Cluster, "a=1 b=1").await;
    client.ack(&response).await;
    client.quiet().await;
    server.publish(&[(Cluster, "a=1 b=2")]);
    client.take(Cluster, "b=2").await;
    client.quiet().await;
}

#[tokio::test]
async fn c07_a_removal_is_told_once_and_undone() {
    for (ty, list) in [(Cluster, ""), (Endpoint, "a,b"), (Route, "a,b")] {
        let server = Server::of(&[(ty, "a=1 b=1")]).await;
        let mut client = Delta::open(&server).await;
        client.ask(ty, list, "").await;
        client.take(ty, "a=1 b=1").await;
        server.publish(&[(ty, "a=1")]);
        client.take(ty, "-b").await;
        server.publish(&[(ty, "a=2")]);
        client.take(ty, "a=2").await;
        server.publish(&[(ty, "a=2 b=1")]);
        client.take(ty, "b=1").await;
    }
}

#[tokio::test]
async fn c08_c09_a_dropped_name_is_silent_and_a_phantom_is_ignored() {
    let server = Server::of(&[(Route, "a=1 b=1")]).await;
    let mut client = Delta::open(&server).await;
    client.ask(Route, "a,b", "").await;
    client.take(Route, "a=1 b=1").await;
    client.ask(Route, "", "b,phantom").await;
    client.quiet().await;
    server.publish(&[(Route, "a=1 b=2")]);
    client.quiet().await;
    server.publish(&[(Route, "a=2 b=2")]);
    client.take(Route, "a=2").await;
}

#[tokio::test]
async fn c10_dropped_and_taken_ends_subscribed() {
    let server = Server::of(&[(Route, "a=1")]).await;
    let mut client = Delta::open(&server).await;
    client.ask(Route, "a", "").await;
    client.take(Route, "a=1").await;
    client.ask(Route, "a", "a").await;
    client.take(Route, "a=1").await;
    client.ask(Route, "", "a").await;
    client.ask(Route, "a", "").await;
    client.take(Route, "a=1").await;
    server.publish(&[(Route, "a=2")]);
    client.take(Route, "a=2").await;
}

#[tokio::test]
async fn c16_c17_a_subscription_counts_whatever_the_nonce() {
    let server = Server::of(&[(Route, "a=1 b=1 c=1")]).await;
    let mut client = Delta::open(&server).await;
    client.ask(Route, "a", "").await;
    let response = client.get(Route, "a=1").await;
    for (nonce, name, expected) in [("stale", "b", "b=1"), (&response.nonce, "c", "c=1")] {
        let mut request = Delta::request(Route, name, "");
        request.response_nonce = nonce.to_owned();
        client.send(request).await;
        client.take(Route, expected).await;
    }
    assert_eq!(server.stats.nacked(Route), 0);
}

#[tokio::test]
async fn c22_versions_are_the_same_on_every_replica() {
    let parts = [(Cluster, "a=1 b=2")];
    let mut seen = Vec::new();
    for _ in 0..2 {
        let server = Server::of(&parts).await;
        let mut client = Delta::open(&server).await;
        client.ask(Cluster, "", "").await;
        seen.push(versions(&client.take(Cluster, "a=1 b=2").await));
    }
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test]
async fn c25_the_next_response_does_not_wait_for_the_ack_and_acks_come_in_any_order() {
    let server = Server::of(&[(Cluster, "a=1 b=1")]).await;
    let mut client = Delta::open(&server).await;
    client.ask(Cluster, "", "").await;
    let first = client.get(Cluster, "a=1 b=1").await;
    server.publish(&[(Cluster, "a=2 b=1")]);
    let second = client.get(Cluster, "a=2").await;
    assert_ne!(first.nonce, second.nonce);
    client.ack(&second).await;
    client.ack(&first).await;
    client.quiet().await;
    server.publish(&[(Cluster, "a=2 b=2")]);
    client.take(Cluster, "b=2").await;
}

#[tokio::test]
async fn a05_names_of_an_unknown_type_are_told_to_be_missing() {
    let server = Server::of(&[(Cluster, "a=1")]).await;
    let mut client = Delta::open(&server).await;
    let mut request = Delta::request(Cluster, "s", "");
    request.type_url = "type.googleapis.com/some.Secret".to_owned();
    client.send(request).await;
    let response = client.next().await;
    assert_eq!(response.type_url, "type.googleapis.com/some.Secret");
    assert_eq!(response.removed_resources, ["s"]);
    client.ack(&response).await;
    client.quiet().await;
    client.ask(Cluster, "", "").await;
    let other = client.take(Cluster, "a=1").await;
    assert_ne!(response.nonce, other.nonce);
}
