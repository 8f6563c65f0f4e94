//! Who gets everything: rows B15, B24–B28, C1, C11–C15, C23.

use crate::client::Delta;
use crate::client::Sotw;
use crate::world::Cluster;
use crate::world::Endpoint;
use crate::world::Listener;
use crate::world::Route;
use crate::world::Server;

#[tokio::test]
async fn b24_no_names_after_names_is_nothing() {
    let server = Server::of(&[(Listener, "a=1 b=1")]).await;
    let mut client = Sotw::open(&server).await;
    client.ask(Listener, "a").await;
    client.take(Listener, "a=1", "").await;
    server.publish(&[(Listener, "a=2 b=2")]);
    client.quiet().await;
}

#[tokio::test]
async fn b25_b26_no_names_and_a_star_are_everything() {
    for list in ["", "*"] {
        let server = Server::of(&[(Cluster, "a=1")]).await;
        let mut client = Sotw::open(&server).await;
        client.ask(Cluster, list).await;
        client.take(Cluster, "a=1", list).await;
        server.publish(&[(Cluster, "a=1 b=1")]);
        client.take(Cluster, "a=1 b=1", list).await;
    }
}

#[tokio::test]
async fn b27_the_sequence_of_the_protocol() {
    let server = Server::of(&[(Cluster, "A=1 B=1")]).await;
    let mut client = Sotw::open(&server).await;
    client.ask(Cluster, "").await;
    let response = client.get(Cluster, "A=1 B=1").await;
    client.ack(&response, "*,A").await;
    let response = client.get(Cluster, "A=1 B=1").await;
    client.ack(&response, "A").await;
    client.quiet().await;
    server.publish(&[(Cluster, "A=1 B=2")]);
    client.quiet().await;
    server.publish(&[(Cluster, "A=2 B=2")]);
    client.take(Cluster, "A=2", "").await;
    server.publish(&[(Cluster, "A=3 B=3")]);
    client.quiet().await;
}

#[tokio::test]
async fn b28_no_names_of_a_named_type_is_nothing_and_harms_nothing() {
    for ty in [Route, Endpoint] {
        let server = Server::of(&[(ty, "a=1 b=1")]).await;
        let mut client = Sotw::open(&server).await;
        client.ask(ty, "").await;
        client.quiet().await;
        client.ask(ty, "a").await;
        client.take(ty, "a=1", "a").await;
        client.quiet().await;
    }
}

#[tokio::test]
async fn c01_no_names_and_a_star_are_everything() {
    for list in ["", "*"] {
        let server = Server::of(&[(Cluster, "a=1 b=1")]).await;
        let mut client = Delta::open(&server).await;
        client.ask(Cluster, list, "").await;
        client.take(Cluster, "a=1 b=1").await;
        server.publish(&[(Cluster, "a=1 b=1 c=1")]);
        client.take(Cluster, "c=1").await;
    }
}

#[tokio::test]
async fn c11_a_name_dropped_under_a_wildcard_is_told_where_it_stands() {
    let server = Server::of(&[(Cluster, "a=1 b=1")]).await;
    let mut client = Delta::open(&server).await;
    client.ask(Cluster, "*,a,none", "").await;
    client.take(Cluster, "-none a=1 b=1").await;
    client.ask(Cluster, "", "a").await;
    client.take(Cluster, "a=1").await;
    client.ask(Cluster, "", "none").await;
    client.take(Cluster, "-none").await;
    client.quiet().await;
}

#[tokio::test]
async fn c12_a_legacy_wildcard_outlives_a_name() {
    let server = Server::of(&[(Cluster, "a=1 b=1")]).await;
    let mut client = Delta::open(&server).await;
    client.ask(Cluster, "", "").await;
    client.take(Cluster, "a=1 b=1").await;
    client.ask(Cluster, "a", "").await;
    client.take(Cluster, "a=1").await;
    server.publish(&[(Cluster, "a=1 b=2")]);
    client.take(Cluster, "b=2").await;
}

#[tokio::test]
async fn c13_without_the_wildcard_only_the_names_are_left() {
    let server = Server::of(&[(Cluster, "a=1 b=1")]).await;
    let mut client = Delta::open(&server).await;
    client.ask(Cluster, "*,a", "").await;
    client.take(Cluster, "a=1 b=1").await;
    client.ask(Cluster, "", "*").await;
    client.quiet().await;
    server.publish(&[(Cluster, "a=2 b=2")]);
    client.take(Cluster, "a=2").await;
    client.ask(Cluster, "", "a").await;
    client.quiet().await;
    server.publish(&[(Cluster, "a=3 b=3")]);
    client.quiet().await;
}

#[tokio::test]
async fn c14_an_empty_request_after_names_is_no_wildcard() {
    let server = Server::of(&[(Cluster, "a=1 b=1")]).await;
    let mut client = Delta::open(&server).await;
    client.ask(Cluster, "a", "").await;
    client.take(Cluster, "a=1").await;
    client.ask(Cluster, "", "").await;
    client.quiet().await;
    server.publish(&[(Cluster, "a=1 b=2 c=1")]);
    client.quiet().await;
}

#[tokio::test]
async fn c13_a_wildcard_taken_again_is_sent_again() {
    let server = Server::of(&[(Cluster, "a=1 b=1")]).await;
    let mut client = Delta::open(&server).await;
    client.ask(Cluster, "*,a", "").await;
    client.take(Cluster, "a=1 b=1").await;
    client.ask(Cluster, "", "*").await;
    client.quiet().await;
    // The client has dropped what only the wildcard covered.
    client.ask(Cluster, "*", "").await;
    client.take(Cluster, "b=1").await;
    client.quiet().await;
}

#[tokio::test]
async fn c15_a_star_taken_and_dropped_at_once_is_nothing() {
    let server = Server::of(&[(Cluster, "a=1 b=1")]).await;
    let mut client = Delta::open(&server).await;
    client.ask(Cluster, "*", "*").await;
    client.quiet().await;
    server.publish(&[(Cluster, "a=1 b=2")]);
    client.quiet().await;
    client.ask(Cluster, "a,none", "").await;
    client.take(Cluster, "-none a=1").await;
    server.publish(&[(Cluster, "a=1 b=3")]);
    client.quiet().await;
}

#[tokio::test]
async fn b15_what_came_unasked_is_sent_when_it_is_asked_for() {
    for ty in [Route, Cluster] {
        let server = Server::of(&[(ty, "a=1 b=1")]).await;
        let mut client = Sotw::open(&server).await;
        client.ask(ty, "*").await;
        let response = client.get(ty, "a=1 b=1").await;
        // Neither was ever asked for by its name.
        client.ack(&response, "a").await;
        let response = client.get(ty, "a=1").await;
        client.ack(&response, "a,b").await;
        let full = ty.is_full_state();
        let expected = if full { "a=1 b=1" } else { "b=1" };
        client.take(ty, expected, "a,b").await;
        client.quiet().await;
    }
}

#[tokio::test]
async fn c23_an_empty_wildcard_is_answered_once() {
    let server = Server::of(&[]).await;
    let mut client = Delta::open(&server).await;
    for ty in [Cluster, Listener] {
        client.ask(ty, "", "").await;
        client.take(ty, "").await;
    }
    client.quiet().await;
}
