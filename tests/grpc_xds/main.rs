//! A gRPC client without a proxy is configured by the server: its calls go where what is published says.
//!
//! The client is grpcio in `client.py`, and so are the services that it calls. It speaks the state of the world and asks
//! for everything by name. `MIRRORPLANE_GRPC_PYTHON` names a Python that has grpcio; `tests/run` makes one.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stderr, reason = "what was skipped")]

mod client;
mod resources;
mod server;

use std::time::Duration;

use mirrorplane::snapshot::ResourceType;

use crate::client::Client;
use crate::client::python;
use crate::resources::ROUTES;
use crate::resources::TARGET;
use crate::resources::cluster;
use crate::resources::endpoints;
use crate::resources::routes_to;
use crate::resources::service;
use crate::server::Server;

/// The longest that one step may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// Who the client says it is.
const NODE: &str = "grpc-client";

#[tokio::test(flavor = "multi_thread")]
async fn calls_follow_the_endpoints() {
    let Some(python) = python() else { return };
    let mut server = Server::start().await;
    let mut client = Client::start(python, server.address).await;
    let [a, b, c] = client.services;

    // Two places, the second with twice the weight of the first; within a place in turn.
    let places = endpoints("x", &[(1, &[a, b]), (2, &[c])]);
    server.publish(|change| change.set(service("x", &[a])).update(places));
    let calls = client.call(600).await;
    calls.all_answered();
    assert!((calls.share("c") - 2.0 / 3.0).abs() < 0.1, "{calls:?}");
    assert!(
        (calls.share("a") - calls.share("b")).abs() < 0.1,
        "{calls:?}"
    );

    // Endpoints go and come while calls are made; nothing else is sent.
    client.start_calling().await;
    let before = server.pushes();
    for (addresses, services) in [(&[b][..], "b"), (&[a, c], "ac"), (&[a, b, c], "abc")] {
        server.publish(|change| change.update(endpoints("x", &[(1, addresses)])));
        client.reaches(services).await;
    }
    let after = server.pushes();
    assert_eq!([0, 1, 2, 3].map(|ty| after[ty] - before[ty]), [0, 0, 0, 3]);
    client.stop_calling().await;
    server.all_accepted();
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_follow_the_routes_while_clusters_come_and_go() {
    let Some(python) = python() else { return };
    let mut server = Server::start().await;
    let mut client = Client::start(python, server.address).await;
    let [a, b, c] = client.services;
    server.publish(|change| change.set(service("x", &[a])));
    client.reaches("a").await;
    client.start_calling().await;
    for _ in 0..10 {
        // The old cluster goes in the same moment in which the new one and the routes to it come.
        server.publish(|change| change.set(service("y", &[b])));
        client.reaches("b").await;
        server.publish(|change| change.set(service("x", &[a])));
        client.reaches("a").await;
    }
    // The same in steps: first a cluster that nothing leads to, then the routes, then the old cluster goes.
    server.publish(|change| change.add(cluster("z")).add(endpoints("z", &[(1, &[c])])));
    client.reaches("a").await;
    server.publish(|change| change.update(routes_to("z")));
    client.reaches("c").await;
    server.publish(|change| {
        let change = change.remove(ResourceType::Cluster, "x");
        change.remove(ResourceType::Endpoint, "x")
    });
    client.reaches("c").await;
    client.stop_calling().await;
    server.all_accepted();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_removed_works_again_once_it_is_back() {
    let Some(python) = python() else { return };
    let mut server = Server::start().await;
    let mut client = Client::start(python, server.address).await;
    let [a, b, _] = client.services;
    server.publish(|change| change.set(service("x", &[a])));
    client.reaches("a").await;

    // The cluster, the listener, all of it.
    server.publish(|change| change.remove(ResourceType::Cluster, "x"));
    let why = client.reaches_nobody().await;
    assert!(why.starts_with("UNAVAILABLE"), "{why}");
    server.publish(|change| change.add(cluster("x")));
    client.reaches_again("a").await;

    server.publish(|change| change.remove(ResourceType::Listener, TARGET));
    let why = client.reaches_nobody().await;
    assert!(why.starts_with("UNAVAILABLE"), "{why}");
    server.publish(|change| change.add(resources::listener()));
    client.reaches_again("a").await;

    server.publish(|change| change.clear());
    client.reaches_nobody().await;
    server.publish(|change| change.set(service("y", &[b])));
    client.reaches_again("b").await;

    // The protocol cannot take routes away from a client, only change them; it goes on with those that it has.
    server.publish(|change| change.remove(ResourceType::Route, ROUTES));
    client.reaches("b").await;
    server.all_accepted();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_the_server_costs_no_call() {
    let Some(python) = python() else { return };
    let mut server = Server::start().await;
    let mut client = Client::start(python, server.address).await;
    let [a, b, c] = client.services;
    server.publish(|change| change.set(service("x", &[a])));
    client.reaches("a").await;
    client.start_calling().await;

    // The server comes back with what it had, and has nothing to say for a while; changes reach the client as before.
    let address = server.stop().await;
    client.reaches("a").await;
    let mut server = Server::start_at(address).await;
    client.reaches("a").await;
    server.publish(|change| change.set(service("x", &[a])));
    client.reaches("a").await;
    server.publish(|change| change.update(endpoints("x", &[(1, &[b])])));
    client.reaches("b").await;
    server.publish(|change| {
        let change = change.add(cluster("y")).add(endpoints("y", &[(1, &[c])]));
        change.update(routes_to("y"))
    });
    client.reaches("c").await;
    server.all_accepted();

    // It comes back with other endpoints.
    let mut server = Server::start_at(server.stop().await).await;
    server.publish(|change| change.set(service("y", &[a, b])));
    client.reaches("ab").await;
    server.all_accepted();

    client.stop_calling().await;
}
