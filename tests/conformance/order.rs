//! Make before break: rows D1–D11.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use envoy_types::pb::envoy::config::cluster::v3 as envoy;
use envoy_types::pb::envoy::config::cluster::v3::cluster;
use mirrorplane::model::GroupId;
use mirrorplane::snapshot::Resource;
use mirrorplane::snapshot::Snapshot;
use mirrorplane::snapshot::Version;
use prost::Message;
use tokio::time::Instant;

use crate::client::Delta;
use crate::client::Sotw;
use crate::world::Cluster;
use crate::world::Endpoint;
use crate::world::Listener;
use crate::world::Part;
use crate::world::Route;
use crate::world::Runtime;
use crate::world::Server;
use crate::world::body;
use crate::world::world;

const X: [Part<'_>; 4] = [
    (Cluster, "x=1"),
    (Endpoint, "x=1"),
    (Listener, "l=1"),
    (Route, "r=x"),
];
const Y: [Part<'_>; 4] = [
    (Cluster, "y=1"),
    (Endpoint, "y=1"),
    (Listener, "l=1"),
    (Route, "r=y"),
];

/// A client that has all of `X`.
async fn sotw_with_x(server: &Server) -> Sotw {
    let mut client = Sotw::open(server).await;
    for (ty, list, expected) in [
        (Cluster, "", "x=1"),
        (Endpoint, "x", "x=1"),
        (Listener, "", "l=1"),
        (Route, "r", "r=x"),
    ] {
        client.ask(ty, list).await;
        client.take(ty, expected, list).await;
    }
    client
}

async fn delta_with_x(server: &Server) -> Delta {
    let mut client = Delta::open(server).await;
    for (ty, list, expected) in [
        (Cluster, "", "x=1"),
        (Endpoint, "x", "x=1"),
        (Listener, "", "l=1"),
        (Route, "r", "r=x"),
    ] {
        client.ask(ty, list, "").await;
        client.take(ty, expected).await;
    }
    client
}

#[tokio::test]
async fn d01_a_change_of_all_types_comes_in_order() {
    let server = Server::of(&X).await;
    let (mut sotw, mut delta) = (sotw_with_x(&server).await, delta_with_x(&server).await);
    server.publish(&[
        (Cluster, "x=2"),
        (Endpoint, "x=2"),
        (Listener, "l=2"),
        (Route, "r=2"),
    ]);
    for (ty, expected, list) in [
        (Cluster, "x=2", ""),
        (Endpoint, "x=2", "x"),
        (Listener, "l=2", ""),
        (Route, "r=2", "r"),
    ] {
        sotw.take(ty, expected, list).await;
        delta.take(ty, expected).await;
    }
    sotw.quiet().await;
    delta.quiet().await;
}

#[tokio::test]
async fn d02_a_route_moves_to_another_cluster_without_a_gap() {
    let server = Server::of(&X).await;
    let mut client = sotw_with_x(&server).await;
    server.publish(&Y);
    // The old cluster stays, and the route waits until the new one is in use.
    let clusters = client.get(Cluster, "x=1 y=1").await;
    client.quiet().await;
    client.ack(&clusters, "").await;
    client.quiet().await;
    client.ask(Endpoint, "x,y").await;
    client.take(Endpoint, "y=1", "x,y").await;
    let routes = client.get(Route, "r=y").await;
    client.quiet().await;
    // The old cluster goes when the new route is in use.
    client.ack(&routes, "r").await;
    client.take(Cluster, "y=1", "").await;
    client.quiet().await;
}

#[tokio::test]
async fn d02_incremental_likewise() {
    let server = Server::of(&X).await;
    let mut client = delta_with_x(&server).await;
    server.publish(&Y);
    let clusters = client.get(Cluster, "y=1").await;
    client.quiet().await;
    client.ack(&clusters).await;
    client.quiet().await;
    client.ask(Endpoint, "y", "").await;
    client.take(Endpoint, "y=1").await;
    let routes = client.get(Route, "r=y").await;
    client.quiet().await;
    client.ack(&routes).await;
    client.take(Cluster, "-x").await;
    client.take(Endpoint, "-x").await;
    client.quiet().await;
}

#[tokio::test]
async fn d02_an_old_cluster_that_returns_is_there_once() {
    let server = Server::of(&X).await;
    let mut client = sotw_with_x(&server).await;
    server.publish(&Y);
    client.get(Cluster, "x=1 y=1").await;
    // The route is another still, and so waits: what was removed would stay until then.
    let endpoints = (Endpoint, "x=1 y=1");
    server.publish(&[(Cluster, "x=2 y=1"), endpoints, X[2], (Route, "r=xy")]);
    client.get(Cluster, "x=2 y=1").await;
}

#[tokio::test]
async fn d02_by_name_the_old_cluster_stays_until_it_is_not_asked_for() {
    let server = Server::of(&[(Cluster, "x=1 z=1"), X[1], X[2], X[3]]).await;
    let mut client = Sotw::open(&server).await;
    for (ty, list, expected) in [
        (Listener, "l", "l=1"),
        (Route, "r", "r=x"),
        (Cluster, "x,z", "x=1 z=1"),
        (Endpoint, "x", "x=1"),
    ] {
        client.ask(ty, list).await;
        client.take(ty, expected, list).await;
    }
    // A cluster that no route change goes with goes at once.
    server.publish(&X);
    client.take(Cluster, "x=1", "x").await;
    server.publish(&Y);
    client.take(Route, "r=y", "r").await;
    // It has the new route, and uses the old cluster until it has the new one and its endpoints.
    client.quiet().await;
    client.ask(Cluster, "x,y").await;
    client.take(Cluster, "x=1 y=1", "x,y").await;
    client.ask(Endpoint, "x,y").await;
    client.take(Endpoint, "y=1", "x,y").await;
    client.quiet().await;
    client.ask(Cluster, "y").await;
    client.quiet().await;
    client.ask(Cluster, "x,y").await;
    client.take(Cluster, "y=1", "x,y").await;
}

#[tokio::test]
async fn d10_clinging_to_an_old_cluster_keeps_it_for_a_bounded_time() {
    let server = Server::of(&X).await;
    let mut client = Sotw::open(&server).await;
    for (ty, list, expected) in [
        (Route, "r", "r=x"),
        (Cluster, "x", "x=1"),
        (Endpoint, "x", "x=1"),
    ] {
        client.ask(ty, list).await;
        client.take(ty, expected, list).await;
    }
    let start = Instant::now();
    server.publish(&Y);
    client.take(Route, "r=y", "r").await;
    client.take(Cluster, "", "x").await;
    assert!(start.elapsed() > Duration::from_secs(3), "it did wait");
}

#[tokio::test]
async fn d02_a_listener_waits_for_its_cluster_likewise() {
    // A listener may hold its routes itself.
    let server = Server::of(&[(Cluster, "x=1"), (Listener, "l=x")]).await;
    let mut client = Sotw::open(&server).await;
    for (ty, expected) in [(Cluster, "x=1"), (Listener, "l=x")] {
        client.ask(ty, "").await;
        client.take(ty, expected, "").await;
    }
    server.publish(&[(Cluster, "y=1"), (Listener, "l=y")]);
    let clusters = client.get(Cluster, "x=1 y=1").await;
    client.quiet().await;
    client.ack(&clusters, "").await;
    let listeners = client.get(Listener, "l=y").await;
    client.quiet().await;
    client.ack(&listeners, "").await;
    client.take(Cluster, "y=1", "").await;
}

#[tokio::test]
async fn d03_a_new_listener_comes_before_its_route() {
    let server = Server::of(&X).await;
    let mut client = delta_with_x(&server).await;
    client.ask(Route, "s", "").await;
    client.take(Route, "-s").await;
    let (listeners, routes) = ((Listener, "l=1 m=1"), (Route, "r=x s=1"));
    server.publish(&[X[0], X[1], listeners, routes]);
    client.take(Listener, "m=1").await;
    client.take(Route, "r=x s=1").await;
}

#[tokio::test]
async fn d04_references_go_first_and_clusters_last() {
    let server = Server::of(&X).await;
    let mut client = delta_with_x(&server).await;
    server.publish(&[]);
    for (ty, expected) in [
        (Listener, "-l"),
        (Route, "-r"),
        (Cluster, "-x"),
        (Endpoint, "-x"),
    ] {
        client.take(ty, expected).await;
    }
}

#[tokio::test]
async fn d04_a_cluster_that_no_route_change_goes_with_goes_at_once() {
    let server = Server::of(&[(Cluster, "x=1 z=1"), X[1], X[2], X[3]]).await;
    let mut client = Sotw::open(&server).await;
    client.ask(Cluster, "").await;
    client.take(Cluster, "x=1 z=1", "").await;
    client.ask(Route, "r").await;
    client.take(Route, "r=x", "r").await;
    server.publish(&X);
    client.take(Cluster, "x=1", "").await;
}

#[tokio::test]
async fn d05_d11_endpoints_follow_every_added_or_changed_cluster() {
    let endpoints = (Endpoint, "a=1 b=1 c=1");
    let server = Server::of(&[(Cluster, "a=1 b=1 c=1"), endpoints]).await;
    let (mut sotw, mut delta) = (Sotw::open(&server).await, Delta::open(&server).await);
    sotw.ask(Cluster, "").await;
    sotw.take(Cluster, "a=1 b=1 c=1", "").await;
    sotw.ask(Endpoint, "a,b,c").await;
    sotw.take(Endpoint, "a=1 b=1 c=1", "a,b,c").await;
    delta.ask(Cluster, "", "").await;
    delta.take(Cluster, "a=1 b=1 c=1").await;
    delta.ask(Endpoint, "a,b,c", "").await;
    delta.take(Endpoint, "a=1 b=1 c=1").await;

    server.publish(&[(Cluster, "a=2 b=2 c=1"), (Endpoint, "a=1 b=2 c=1")]);
    sotw.take(Cluster, "a=2 b=2 c=1", "").await;
    sotw.take(Endpoint, "a=1 b=2", "a,b,c").await;
    delta.take(Cluster, "a=2 b=2").await;
    delta.take(Endpoint, "a=1 b=2").await;

    // Endpoints alone do not touch clusters.
    server.publish(&[(Cluster, "a=2 b=2 c=1"), (Endpoint, "a=2 b=2 c=1")]);
    sotw.take(Endpoint, "a=2", "a,b,c").await;
    sotw.quiet().await;
    delta.take(Endpoint, "a=2").await;
    delta.quiet().await;
}

#[tokio::test]
async fn d05_endpoints_under_another_name_follow_their_cluster() {
    let cluster = |timeout: i64| {
        let eds = cluster::EdsClusterConfig {
            service_name: "pods".to_owned(),
            ..cluster::EdsClusterConfig::default()
        };
        let message = envoy::Cluster {
            name: "c".to_owned(),
            connect_timeout: Some(envoy_types::pb::google::protobuf::Duration {
                seconds: timeout,
                nanos: 0,
            }),
            eds_cluster_config: Some(eds),
            ..envoy::Cluster::default()
        };
        let body = Bytes::from(message.encode_to_vec());
        let version = Version::of(&body);
        let resources = [(Arc::from("c"), Resource { version, body })];
        let mut all = world(&[]);
        let own = BTreeMap::from([(Cluster, resources.into()), (Endpoint, endpoints())]);
        all.groups
            .insert(GroupId::new("own"), Arc::new(Snapshot::new(own)));
        all
    };
    let server = Server::start(Some(cluster(1))).await;
    let (mut sotw, mut delta) = (Sotw::open(&server).await, Delta::open(&server).await);
    sotw.ask(Cluster, "").await;
    let response = sotw.next().await;
    sotw.ack(&response, "").await;
    sotw.ask(Endpoint, "pods").await;
    sotw.take(Endpoint, "pods=1", "pods").await;
    delta.ask(Cluster, "", "").await;
    let response = delta.next().await;
    delta.ack(&response).await;
    delta.ask(Endpoint, "pods", "").await;
    delta.take(Endpoint, "pods=1").await;
    server.publish_world(cluster(2));
    let response = sotw.next().await;
    assert_eq!(response.type_url, Cluster.type_url());
    sotw.ack(&response, "").await;
    sotw.take(Endpoint, "pods=1", "pods").await;
    let response = delta.next().await;
    assert_eq!(response.type_url, Cluster.type_url());
    delta.ack(&response).await;
    delta.take(Endpoint, "pods=1").await;
}

/// The endpoints of a cluster of another name.
fn endpoints() -> BTreeMap<Arc<str>, Resource> {
    let body = body("pods", "1");
    let version = Version::of(&body);
    [(Arc::from("pods"), Resource { version, body })].into()
}

#[tokio::test]
async fn d07_d08_an_empty_resource_is_sent_and_not_left_out() {
    let server = Server::of(&[(Endpoint, "x="), (Route, "r=")]).await;
    let mut client = Sotw::open(&server).await;
    for (ty, list, expected) in [(Endpoint, "x", "x="), (Route, "r", "r=")] {
        client.ask(ty, list).await;
        client.take(ty, expected, list).await;
    }
}

#[tokio::test]
async fn d09_a_route_follows_a_changed_listener() {
    let server = Server::of(&X).await;
    let mut client = sotw_with_x(&server).await;
    server.publish(&[X[0], X[1], (Listener, "l=2"), X[3]]);
    client.take(Listener, "l=2", "").await;
    client.take(Route, "r=x", "r").await;
    client.quiet().await;
}

#[tokio::test]
async fn d10_silence_about_clusters_holds_up_routes_for_a_bounded_time() {
    let server = Server::of(&X).await;
    let mut client = sotw_with_x(&server).await;
    let start = Instant::now();
    server.publish(&[(Cluster, "x=2"), X[1], X[2], (Route, "r=2")]);
    client.get(Cluster, "x=2").await;
    client.take(Endpoint, "x=1", "x").await;
    client.take(Route, "r=2", "r").await;
    assert!(start.elapsed() > Duration::from_secs(3), "it did wait");
}

#[tokio::test]
async fn d10_silence_about_routes_keeps_a_cluster_for_a_bounded_time() {
    let server = Server::of(&X).await;
    let mut client = delta_with_x(&server).await;
    let start = Instant::now();
    server.publish(&[(Route, "r=none"), X[2]]);
    client.get(Route, "r=none").await;
    client.take(Cluster, "-x").await;
    client.take(Endpoint, "-x").await;
    assert!(start.elapsed() > Duration::from_secs(3), "it did wait");
}

#[tokio::test]
async fn runtime_values_wait_for_nothing() {
    let server = Server::of(&[X[0], X[1], X[2], X[3], (Runtime, "mirrorplane=1")]).await;
    let mut client = sotw_with_x(&server).await;
    client.ask(Runtime, "mirrorplane").await;
    client.take(Runtime, "mirrorplane=1", "mirrorplane").await;
    server.publish(&[
        (Cluster, "x=2"),
        X[1],
        X[2],
        (Route, "r=2"),
        (Runtime, "mirrorplane=2"),
    ]);
    client.get(Cluster, "x=2").await;
    client.take(Endpoint, "x=1", "x").await;
    client.take(Runtime, "mirrorplane=2", "mirrorplane").await;
    client.quiet().await;
}
