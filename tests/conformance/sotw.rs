//! State of the world: rows B1–B4, B12–B23, B29–B31.

use crate::client::Sotw;
use crate::world::Cluster;
use crate::world::Endpoint;
use crate::world::Listener;
use crate::world::Route;
use crate::world::Runtime;
use crate::world::Server;

#[tokio::test]
async fn b01_first_request_is_answered_with_all_that_exists() {
    let server = Server::of(&[(Cluster, "a=1 b=1"), (Runtime, "r=1")]).await;
    let mut client = Sotw::open(&server).await;
    client.ask(Cluster, "").await;
    client.take(Cluster, "a=1 b=1", "").await;
    client.ask(Runtime, "r").await;
    client.take(Runtime, "r=1", "r").await;
}

#[tokio::test]
async fn b02_an_ack_is_not_answered_however_often() {
    let server = Server::of(&[(Cluster, "a=1")]).await;
    let mut client = Sotw::open(&server).await;
    client.ask(Cluster, "").await;
    let response = client.take(Cluster, "a=1", "").await;
    for _ in 0..5 {
        client.ack(&response, "").await;
    }
    client.quiet().await;
    assert_eq!(server.stats.acked(Cluster), 1, "counted once");
}

#[tokio::test]
async fn b03_the_same_content_and_a_change_for_others_are_not_sent() {
    let parts = [(Cluster, "a=1"), (Endpoint, "a=1 b=1")];
    let server = Server::of(&parts).await;
    let mut client = Sotw::open(&server).await;
    client.ask(Cluster, "").await;
    client.take(Cluster, "a=1", "").await;
    client.ask(Endpoint, "a").await;
    client.take(Endpoint, "a=1", "a").await;
    server.publish(&parts);
    client.quiet().await;
    server.publish(&[(Cluster, "a=1"), (Endpoint, "a=1 b=2 c=1")]);
    client.quiet().await;
}

#[tokio::test]
async fn b04_a_version_belongs_to_the_content() {
    let parts = [(Cluster, "a=1 b=1"), (Listener, "l=1")];
    let (one, other) = (Server::of(&parts).await, Server::of(&parts).await);
    let mut versions = Vec::new();
    for server in [&one, &one, &other] {
        let mut client = Sotw::open(server).await;
        client.ask(Cluster, "").await;
        versions.push(client.get(Cluster, "a=1 b=1").await.version_info);
    }
    assert!(versions.iter().all(|version| *version == versions[0]));
    let mut client = Sotw::open(&one).await;
    client.ask(Cluster, "").await;
    client.take(Cluster, "a=1 b=1", "").await;
    one.publish(&[(Cluster, "a=1 b=2"), (Listener, "l=1")]);
    let changed = client.take(Cluster, "a=1 b=2", "").await;
    assert_ne!(changed.version_info, versions[0]);
    one.publish(&parts);
    let back = client.take(Cluster, "a=1 b=1", "").await;
    assert_eq!(back.version_info, versions[0]);
}

#[tokio::test]
async fn b13_b14_a_name_added_is_answered_at_an_unchanged_version() {
    for ty in [Endpoint, Route, Runtime] {
        let server = Server::of(&[(ty, "a=1 b=1")]).await;
        let mut client = Sotw::open(&server).await;
        client.ask(ty, "a").await;
        let response = client.get(ty, "a=1").await;
        client.ack(&response, "a,b").await;
        let response = client.get(ty, "b=1").await;
        client.ack(&response, "a").await;
        client.ack(&response, "a,b").await;
        client.take(ty, "b=1", "a,b").await;
        client.quiet().await;
    }
}

#[tokio::test]
async fn b16_b17_clusters_and_listeners_come_as_a_whole_to_the_last() {
    for ty in [Cluster, Listener] {
        let server = Server::of(&[(ty, "a=1 b=1 c=1")]).await;
        let mut client = Sotw::open(&server).await;
        client.ask(ty, "").await;
        client.take(ty, "a=1 b=1 c=1", "").await;
        server.publish(&[(ty, "a=1 b=2 c=1")]);
        client.take(ty, "a=1 b=2 c=1", "").await;
        server.publish(&[(ty, "a=2 c=1")]);
        client.take(ty, "a=2 c=1", "").await;
        server.publish(&[]);
        client.take(ty, "", "").await;
        client.quiet().await;
    }
}

#[tokio::test]
async fn b18_clusters_by_name_do_not_wait_for_a_missing_one() {
    for ty in [Cluster, Listener] {
        let server = Server::of(&[(ty, "a=1 b=1")]).await;
        let mut client = Sotw::open(&server).await;
        client.ask(ty, "a,missing").await;
        client.take(ty, "a=1", "a,missing").await;
        server.publish(&[(ty, "a=1 b=2 missing=1")]);
        client.take(ty, "a=1 missing=1", "a,missing").await;
    }
}

#[tokio::test]
async fn b19_of_endpoints_and_routes_only_the_changed_are_sent() {
    for ty in [Endpoint, Route, Runtime] {
        let server = Server::of(&[(ty, "a=1 b=1")]).await;
        let mut client = Sotw::open(&server).await;
        client.ask(ty, "a,b").await;
        client.take(ty, "a=1 b=1", "a,b").await;
        server.publish(&[(ty, "a=1 b=2")]);
        client.take(ty, "b=2", "a,b").await;
    }
}

#[tokio::test]
async fn b19_what_is_not_accepted_yet_comes_along() {
    let server = Server::of(&[(Endpoint, "a=1 b=1")]).await;
    let mut client = Sotw::open(&server).await;
    client.ask(Endpoint, "a,b").await;
    client.get(Endpoint, "a=1 b=1").await;
    server.publish(&[(Endpoint, "a=1 b=2")]);
    client.take(Endpoint, "a=1 b=2", "a,b").await;
    server.publish(&[(Endpoint, "a=2 b=2")]);
    client.take(Endpoint, "a=2", "a,b").await;
}

#[tokio::test]
async fn b20_a_removed_route_or_endpoint_is_silent_and_sent_when_it_returns() {
    for ty in [Route, Endpoint] {
        let server = Server::of(&[(ty, "a=1 b=1")]).await;
        let mut client = Sotw::open(&server).await;
        client.ask(ty, "a,b").await;
        client.take(ty, "a=1 b=1", "a,b").await;
        server.publish(&[(ty, "a=1")]);
        client.quiet().await;
        server.publish(&[(ty, "a=1 b=1")]);
        client.take(ty, "b=1", "a,b").await;
    }
}

#[tokio::test]
async fn b21_a_missing_name_is_sent_when_it_is_created() {
    for ty in [Route, Endpoint] {
        let server = Server::of(&[(ty, "a=1")]).await;
        let mut client = Sotw::open(&server).await;
        client.ask(ty, "a,late").await;
        client.take(ty, "a=1", "a,late").await;
        server.publish(&[(ty, "a=1 late=1")]);
        client.take(ty, "late=1", "a,late").await;
    }
}

#[tokio::test]
async fn b22_where_nothing_exists_only_full_state_types_are_answered() {
    let server = Server::of(&[]).await;
    let mut client = Sotw::open(&server).await;
    for ty in [Cluster, Listener] {
        client.ask(ty, "").await;
        client.take(ty, "", "").await;
    }
    client.ask(Route, "a").await;
    client.ask(Endpoint, "a").await;
    client.quiet().await;
    let mut by_name = Sotw::open(&server).await;
    for ty in [Cluster, Listener] {
        by_name.ask(ty, "a").await;
        by_name.take(ty, "", "a").await;
    }
    by_name.quiet().await;
}

#[tokio::test]
async fn b23_a_dropped_name_is_not_sent_any_more() {
    for ty in [Cluster, Route] {
        let server = Server::of(&[(ty, "a=1 b=1")]).await;
        let mut client = Sotw::open(&server).await;
        client.ask(ty, "a,b").await;
        client.take(ty, "a=1 b=1", "a").await;
        server.publish(&[(ty, "a=1 b=2")]);
        client.quiet().await;
        // One name for another.
        client.ask(ty, "b").await;
        client.take(ty, "b=2", "b").await;
        server.publish(&[(ty, "a=2 b=2")]);
        client.quiet().await;
    }
}

#[tokio::test]
async fn b23_a_name_given_twice_stands_for_no_other() {
    let server = Server::of(&[(Route, "a=1 b=1")]).await;
    let mut client = Sotw::open(&server).await;
    client.ask(Route, "a,b").await;
    client.take(Route, "a=1 b=1", "a,a").await;
    server.publish(&[(Route, "a=1 b=2")]);
    client.quiet().await;
}

#[tokio::test]
async fn b30_names_are_matched_exactly() {
    let long = "x".repeat(4096);
    let all = format!("/:=1 A=1 {long}=1 ü=1");
    let server = Server::of(&[(Route, &all)]).await;
    let mut client = Sotw::open(&server).await;
    let list = format!("/:,A,a,ü,{long}");
    let mut request = Sotw::request(Route, &list);
    request.resource_names.push(String::new());
    client.send(request).await;
    client.take(Route, &all, &list).await;
    client.quiet().await;
}

#[tokio::test]
async fn b31_a_burst_ends_in_the_last_state_and_never_goes_back() {
    let server = Server::of(&[(Cluster, "a=1000")]).await;
    let mut client = Sotw::open(&server).await;
    client.ask(Cluster, "").await;
    client.take(Cluster, "a=1000", "").await;
    for n in 1001..2000 {
        server.publish(&[(Cluster, &format!("a={n}"))]);
    }
    let mut last = String::from("a=1000");
    let mut responses = 0;
    while last != "a=1999" {
        let response = client.next().await;
        let body = String::from_utf8_lossy(&response.resources[0].value).into_owned();
        assert!(body > last, "{body} after {last}");
        client.ack(&response, "").await;
        last = body;
        responses += 1;
    }
    assert!(responses < 500, "{responses} responses to 999 changes");
}
