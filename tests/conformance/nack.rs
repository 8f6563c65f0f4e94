//! Rejections: rows B9–B12, C18, D10.

use crate::client::Delta;
use crate::client::Sotw;
use crate::world::Cluster;
use crate::world::Endpoint;
use crate::world::Listener;
use crate::world::Route;
use crate::world::Server;

#[tokio::test]
async fn b09_an_older_version_without_error_is_no_nack() {
    let server = Server::of(&[(Cluster, "a=1")]).await;
    let mut client = Sotw::open(&server).await;
    client.ask(Cluster, "").await;
    let mut response = client.get(Cluster, "a=1").await;
    response.version_info = "older".to_owned();
    client.ack(&response, "").await;
    client.quiet().await;
    let counts = (server.stats.acked(Cluster), server.stats.nacked(Cluster));
    assert_eq!(counts, (1, 0));
}

#[tokio::test]
async fn b10_no_nack_hot_loop() {
    for ty in [Cluster, Route] {
        let server = Server::of(&[(ty, "a=1")]).await;
        let mut client = Sotw::open(&server).await;
        client.ask(ty, "a").await;
        for n in 2..5 {
            let response = client.get(ty, &format!("a={}", n - 1)).await;
            client.nack(&response, "a").await;
            client.nack(&response, "a").await;
            client.quiet().await;
            server.publish(&[(ty, &format!("a={n}"))]);
        }
        assert_eq!(server.stats.nacked(ty), 3, "one per response");
    }
}

#[tokio::test]
async fn b11_the_next_version_is_sent_and_other_types_flow() {
    let server = Server::of(&[(Cluster, "a=bad"), (Listener, "l=1")]).await;
    let mut client = Sotw::open(&server).await;
    client.ask(Cluster, "").await;
    client.ask(Listener, "").await;
    let response = client.get(Cluster, "a=bad").await;
    client.nack(&response, "").await;
    client.take(Listener, "l=1", "").await;
    server.publish(&[(Cluster, "a=bad"), (Listener, "l=2")]);
    client.take(Listener, "l=2", "").await;
    client.quiet().await;
    server.publish(&[(Cluster, "a=good"), (Listener, "l=2")]);
    client.take(Cluster, "a=good", "").await;
    client.quiet().await;
}

#[tokio::test]
async fn b12_a_nack_may_change_names() {
    let server = Server::of(&[(Route, "a=1 b=1")]).await;
    let mut client = Sotw::open(&server).await;
    client.ask(Route, "a").await;
    let response = client.get(Route, "a=1").await;
    client.nack(&response, "a,b").await;
    client.take(Route, "b=1", "a,b").await;
    client.quiet().await;
}

#[tokio::test]
async fn b11_what_was_rejected_together_is_sent_together() {
    let server = Server::of(&[(Endpoint, "bad=1 good=1")]).await;
    let mut client = Sotw::open(&server).await;
    client.ask(Endpoint, "bad,good").await;
    let response = client.get(Endpoint, "bad=1 good=1").await;
    client.nack(&response, "bad,good").await;
    client.quiet().await;
    server.publish(&[(Endpoint, "bad=2 good=1")]);
    client.take(Endpoint, "bad=2 good=1", "bad,good").await;
}

#[tokio::test]
async fn b11_an_absence_is_rejected_with_the_rest() {
    for ty in [Cluster, Listener] {
        // The client may have come with another `gone`: that there is none is a part of what it rejects.
        let server = Server::of(&[(ty, "bad=1")]).await;
        let mut client = Sotw::open(&server).await;
        client.ask(ty, "bad,gone").await;
        let response = client.get(ty, "bad=1").await;
        client.nack(&response, "bad,gone").await;
        client.quiet().await;
        // What was wrong is not wanted any more.
        client.nack(&response, "gone").await;
        client.take(ty, "", "gone").await;
        client.quiet().await;
    }
}

#[tokio::test]
async fn b11_an_absence_is_rejected_with_the_last_response() {
    let server = Server::of(&[(Cluster, "bad=1 gone=1")]).await;
    let mut client = Sotw::open(&server).await;
    client.ask(Cluster, "bad,gone").await;
    client.take(Cluster, "bad=1 gone=1", "bad,gone").await;
    server.publish(&[(Cluster, "bad=2")]);
    let first = client.get(Cluster, "bad=2").await;
    server.publish(&[(Cluster, "bad=3")]);
    let last = client.get(Cluster, "bad=3").await;
    client.nack(&first, "bad,gone").await;
    client.nack(&last, "gone").await;
    client.take(Cluster, "", "gone").await;
    client.quiet().await;
}

#[tokio::test]
async fn c18_a_rejected_version_is_not_sent_again_and_others_flow() {
    let server = Server::of(&[(Cluster, "a=1 b=1")]).await;
    let mut client = Delta::open(&server).await;
    client.ask(Cluster, "", "").await;
    client.take(Cluster, "a=1 b=1").await;
    server.publish(&[(Cluster, "a=bad b=1")]);
    let response = client.get(Cluster, "a=bad").await;
    client.nack(&response, "").await;
    client.quiet().await;
    server.publish(&[(Cluster, "a=bad b=2")]);
    client.take(Cluster, "b=2").await;
    server.publish(&[(Cluster, "a=2 b=2")]);
    client.take(Cluster, "a=2").await;
    client.quiet().await;
}

#[tokio::test]
async fn c18_names_in_a_nack_count() {
    let server = Server::of(&[(Route, "a=1 b=1")]).await;
    let mut client = Delta::open(&server).await;
    client.ask(Route, "a", "").await;
    let response = client.get(Route, "a=1").await;
    client.nack(&response, "b").await;
    client.take(Route, "b=1").await;
    client.quiet().await;
    assert_eq!(server.stats.nacked(Route), 1);
}

#[tokio::test]
async fn c18_what_was_rejected_together_is_sent_together() {
    // An Envoy drops every cluster of an update in which one cannot be decoded.
    let server = Server::of(&[(Cluster, "bad=1 good=1 other=1")]).await;
    let mut client = Delta::open(&server).await;
    client.ask(Cluster, "", "").await;
    let response = client.get(Cluster, "bad=1 good=1 other=1").await;
    client.nack(&response, "").await;
    client.quiet().await;
    server.publish(&[(Cluster, "bad=2 good=1 other=1")]);
    client.take(Cluster, "bad=2 good=1 other=1").await;
    client.quiet().await;
}

#[tokio::test]
async fn c18_a_late_nack_brings_back_what_was_dropped_with_it() {
    let server = Server::of(&[(Cluster, "bad=1 good=1")]).await;
    let mut client = Delta::open(&server).await;
    client.ask(Cluster, "", "").await;
    let first = client.get(Cluster, "bad=1 good=1").await;
    server.publish(&[(Cluster, "bad=2 good=1")]);
    let second = client.get(Cluster, "bad=2").await;
    client.nack(&first, "").await;
    client.ack(&second).await;
    client.take(Cluster, "good=1").await;
    client.quiet().await;
}

#[tokio::test]
async fn d10_a_rejected_cluster_does_not_hold_up_routes() {
    let server = Server::of(&[(Cluster, "a=1"), (Route, "r=1")]).await;
    let mut client = Delta::open(&server).await;
    client.ask(Cluster, "", "").await;
    client.take(Cluster, "a=1").await;
    client.ask(Route, "r", "").await;
    client.take(Route, "r=1").await;
    server.publish(&[(Cluster, "a=bad"), (Route, "r=2")]);
    let response = client.get(Cluster, "a=bad").await;
    client.quiet().await;
    client.nack(&response, "").await;
    client.take(Route, "r=2").await;
}
