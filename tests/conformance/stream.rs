//! Streams, identity and the envelope: rows A1–A23, K5. How they end is in `lifetime`, who does not read in `slow`.

use std::time::Duration;

use mirrorplane::proto::envoy::service::discovery::v3::DiscoveryResponse;
use mirrorplane::proto::google::rpc;
use tonic::Code;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;

use crate::client::Delta;
use crate::client::Sotw;
use crate::client::connect;
use crate::client::node;
use crate::world::Cluster;
use crate::world::Endpoint;
use crate::world::Listener;
use crate::world::NODE;
use crate::world::Route;
use crate::world::Server;
use crate::world::groups;
use crate::world::world;

/// Sends a message that is no request to a method.
async fn call(server: &Server, path: &'static str) -> Result<(), tonic::Status> {
    let url = format!("http://{}", server.address);
    let channel = Channel::from_shared(url).expect("a URL").connect().await;
    let mut client = tonic::client::Grpc::new(channel.expect("a connection"));
    client.ready().await.expect("a ready connection");
    let nonsense = rpc::Status {
        code: 1,
        ..rpc::Status::default()
    };
    let codec = tonic_prost::ProstCodec::<rpc::Status, DiscoveryResponse>::default();
    let request = tonic::Request::new(tokio_stream::iter([nonsense]));
    let path = PathAndQuery::from_static(path);
    let mut responses = client.streaming(request, path, codec).await?.into_inner();
    responses.message().await.map(|_| ())
}

#[tokio::test]
async fn a01_services_that_are_not_there_are_unimplemented() {
    let server = Server::of(&[]).await;
    for path in [
        "/envoy.service.discovery.v2.AggregatedDiscoveryService/StreamAggregatedResources",
        "/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets",
        "/envoy.service.route.v3.VirtualHostDiscoveryService/DeltaVirtualHosts",
        "/envoy.service.route.v3.ScopedRoutesDiscoveryService/StreamScopedRoutes",
    ] {
        let end = call(&server, path).await.expect_err("an error");
        assert_eq!(end.code(), Code::Unimplemented, "{path}");
    }
}

#[tokio::test]
async fn a03_a07_a_request_without_type_or_first_node_ends_its_stream_only() {
    let server = Server::of(&[(Cluster, "a=1")]).await;
    let mut bystander = Sotw::open(&server).await;
    bystander.ask(Cluster, "").await;
    bystander.take(Cluster, "a=1", "").await;
    for (node, ty) in [(node(NODE), ""), (None, Cluster.type_url())] {
        let mut client = Sotw::open(&server).await;
        let mut request = Sotw::request(Cluster, "");
        request.node = node.clone();
        request.type_url = ty.to_owned();
        client.send(request).await;
        let end = client.end().await.expect_err("an error");
        assert_eq!(end.code(), Code::InvalidArgument);

        let mut client = Delta::open(&server).await;
        let mut request = Delta::request(Cluster, "", "");
        request.node = node;
        request.type_url = ty.to_owned();
        client.send(request).await;
        let end = client.end().await.expect_err("an error");
        assert_eq!(end.code(), Code::InvalidArgument);
    }
    server.publish(&[(Cluster, "a=2")]);
    bystander.take(Cluster, "a=2", "").await;
}

#[tokio::test]
async fn a05_an_unknown_type_leaves_the_stream_alone() {
    let server = Server::of(&[(Cluster, "a=1")]).await;
    let mut client = Sotw::open(&server).await;
    let mut request = Sotw::request(Cluster, "secret");
    request.type_url = "type.googleapis.com/some.Secret".to_owned();
    client.send(request).await;
    client.quiet().await;
    client.ask(Cluster, "").await;
    client.take(Cluster, "a=1", "").await;
}

#[tokio::test]
async fn a06_a07_the_first_node_is_the_identity() {
    let parts = [(Cluster, "a=1"), (Listener, "l=1")];
    let server = Server::of(&parts).await;
    let mut client = Sotw::open(&server).await;
    client.ask(Cluster, "").await;
    client.take(Cluster, "a=1", "").await;
    for other in [None, node("some/body"), node(NODE)] {
        let mut request = Sotw::request(Listener, "");
        request.node = other;
        client.send(request).await;
    }
    client.take(Listener, "l=1", "").await;
}

#[tokio::test]
async fn a07_strangers_get_the_fallback() {
    let own = [(Cluster, "own=1")];
    let other = [(Cluster, "other=1")];
    let mut world = groups(&[("own", &own), ("other", &other)], &[(NODE, "own")]);
    world.fallback = mirrorplane::model::GroupId::new("other");
    let server = Server::start(Some(world)).await;
    for (id, expected) in [
        (NODE, "own=1"),
        ("curl/stranger", "other=1"),
        ("malformed", "other=1"),
        ("", "other=1"),
    ] {
        let mut client = Sotw::open(&server).await;
        let mut request = Sotw::request(Cluster, "");
        request.node = node(id);
        client.send(request).await;
        client.take(Cluster, expected, "").await;
    }
}

#[tokio::test]
async fn a07_a_node_that_moves_to_another_group_is_sent_its_resources() {
    let (one, two) = ([(Cluster, "one=1")], [(Cluster, "two=1")]);
    let all: [(&str, &[crate::world::Part<'_>]); 2] = [("one", &one), ("two", &two)];
    let server = Server::start(Some(groups(&all, &[(NODE, "one")]))).await;
    let mut client = Delta::open(&server).await;
    client.ask(Cluster, "", "").await;
    client.take(Cluster, "one=1").await;
    let mut world = server.world();
    world.nodes = groups(&all, &[(NODE, "two")]).nodes;
    server.publish_world(world);
    client.take(Cluster, "-one two=1").await;
}

#[tokio::test]
async fn a08_a09_types_are_apart_and_no_nonce_is_used_twice() {
    let server = Server::of(&[(Cluster, "a=1"), (Listener, "l=1"), (Route, "r=1")]).await;
    let mut client = Sotw::open(&server).await;
    client.ask(Cluster, "").await;
    let clusters = client.take(Cluster, "a=1", "").await;
    client.ask(Listener, "").await;
    let listeners = client.get(Listener, "l=1").await;
    client.ask(Route, "r").await;
    let routes = client.take(Route, "r=1", "r").await;
    let mut nonces = [&clusters, &routes, &listeners].map(|r| r.nonce.clone());
    nonces.sort();
    assert!(nonces.windows(2).all(|pair| pair[0] != pair[1]));
    // The nonce of another type answers nothing.
    let mut wrong = listeners.clone();
    wrong.nonce.clone_from(&clusters.nonce);
    client.nack(&wrong, "").await;
    client.quiet().await;
    assert_eq!(server.stats.nacked(Listener), 0);
    client.ack(&listeners, "").await;
    client.quiet().await;
    assert_eq!(server.stats.acked(Listener), 1);
}

#[tokio::test]
async fn a11_a_name_asked_for_twice_is_sent_once() {
    let server = Server::of(&[(Cluster, "a=1"), (Route, "r=1")]).await;
    let mut client = Sotw::open(&server).await;
    client.ask(Cluster, "*,a,a").await;
    client.take(Cluster, "a=1", "*,a,a").await;
    client.ask(Route, "r,r").await;
    client.take(Route, "r=1", "r,r").await;
    let mut client = Delta::open(&server).await;
    client.ask(Cluster, "*,a,a", "").await;
    client.take(Cluster, "a=1").await;
}

#[tokio::test]
async fn a13_two_streams_of_one_node_are_apart() {
    let server = Server::of(&[(Route, "a=1 b=1")]).await;
    let mut clients = [Sotw::open(&server).await, Sotw::open(&server).await];
    for (client, name) in clients.iter_mut().zip(["a", "b"]) {
        client.ask(Route, name).await;
        client.take(Route, &format!("{name}=1"), name).await;
    }
    server.publish(&[(Route, "a=2 b=1")]);
    clients[0].take(Route, "a=2", "a").await;
    clients[1].quiet().await;
}

#[tokio::test]
async fn a15_the_last_of_several_requests_counts() {
    let server = Server::of(&[(Route, "a=1 b=1 c=1")]).await;
    let mut client = Sotw::open(&server).await;
    for list in ["a", "b", "c"] {
        client.ask(Route, list).await;
    }
    loop {
        let response = client.next().await;
        client.ack(&response, "c").await;
        if response.resources.iter().any(|r| r.value.starts_with(b"c")) {
            break;
        }
    }
    server.publish(&[(Route, "a=2 b=2 c=2")]);
    client.take(Route, "c=2", "c").await;
}

#[tokio::test]
async fn a17_a_slow_reader_holds_up_nobody_and_gets_the_newest() {
    let server = Server::of(&[(Cluster, "a=0")]).await;
    let (mut slow, mut quick) = (Sotw::open(&server).await, Sotw::open(&server).await);
    slow.ask(Cluster, "").await;
    quick.ask(Cluster, "").await;
    slow.take(Cluster, "a=0", "").await;
    quick.take(Cluster, "a=0", "").await;
    let large = "x".repeat(300_000);
    for n in 1..=30 {
        let content = format!("a={n:03}{large}");
        server.publish(&[(Cluster, &content)]);
        quick.take(Cluster, &content, "").await;
    }
    let newest = format!("a=030{large}");
    let mut responses = 0;
    loop {
        let response = slow.next().await;
        responses += 1;
        if response.resources[0].value == newest.as_bytes() {
            break;
        }
    }
    assert!(responses < 20, "{responses} responses were queued");
}

#[tokio::test]
async fn a19_one_connection_carries_many_streams() {
    let server = Server::of(&[(Cluster, "a=1")]).await;
    let mut connection = connect(&server).await;
    let mut clients = Vec::new();
    for _ in 0..150 {
        clients.push(Sotw::over(&mut connection).await);
    }
    for client in &mut clients {
        client.ask(Cluster, "").await;
        client.take(Cluster, "a=1", "").await;
    }
    server.has_streams(150).await;
}

#[tokio::test]
async fn a20_large_requests_and_responses_pass() {
    let large = format!("a={}", "x".repeat(5 << 20));
    let server = Server::of(&[(Endpoint, &large)]).await;
    let mut client = Sotw::open(&server).await;
    let mut request = Sotw::request(Endpoint, "a");
    let more = (0..100_000).map(|n| format!("a-rather-long-name-of-a-service-in-a-namespace/{n}"));
    request.resource_names.extend(more);
    client.send(request).await;
    client.get(Endpoint, &large).await;
}

#[tokio::test]
async fn a22_a_client_that_asks_for_ever_more_names_ends_its_stream_only() {
    let server = Server::of(&[(Cluster, "a=1")]).await;
    let mut bystander = Sotw::open(&server).await;
    bystander.ask(Cluster, "").await;
    bystander.take(Cluster, "a=1", "").await;
    let mut client = Delta::open(&server).await;
    for batch in 0..5 {
        let mut request = Delta::request(Endpoint, "", "");
        let names = (0..3_000).map(|n| format!("{batch}-{n}-{}", "x".repeat(4_000)));
        request.resource_names_subscribe.extend(names);
        client.send(request).await;
    }
    let end = client.end().await.expect_err("an error");
    assert_eq!(end.code(), Code::ResourceExhausted);
    server.publish(&[(Cluster, "a=2")]);
    bystander.take(Cluster, "a=2", "").await;
}

#[tokio::test]
async fn a22_nonsense_ends_its_stream_only() {
    let server = Server::of(&[(Cluster, "a=1")]).await;
    let mut bystander = Sotw::open(&server).await;
    bystander.ask(Cluster, "").await;
    bystander.take(Cluster, "a=1", "").await;
    let ads = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";
    let end = call(&server, ads).await.expect_err("an error");
    assert_ne!(end.code(), Code::Ok);
    server.publish(&[(Cluster, "a=2")]);
    bystander.take(Cluster, "a=2", "").await;
}

#[tokio::test]
async fn a23_nothing_is_sent_before_the_sources_are_synced() {
    let server = Server::start(None).await;
    let (mut sotw, mut delta) = (Sotw::open(&server).await, Delta::open(&server).await);
    for ty in [Cluster, Listener] {
        sotw.ask(ty, "").await;
        delta.ask(ty, "", "").await;
    }
    sotw.quiet().await;
    delta.quiet().await;
    server.publish_world(world(&[(Cluster, "a=1"), (Listener, "l=1")]));
    sotw.take(Cluster, "a=1", "").await;
    sotw.take(Listener, "l=1", "").await;
    delta.take(Cluster, "a=1").await;
    delta.take(Listener, "l=1").await;
}

#[tokio::test]
async fn k05_a_stopping_server_ends_its_streams_at_once() {
    let mut server = Server::of(&[(Cluster, "a=1")]).await;
    let (mut busy, mut idle) = (Sotw::open(&server).await, Delta::open(&server).await);
    busy.ask(Cluster, "").await;
    busy.take(Cluster, "a=1", "").await;
    let start = tokio::time::Instant::now();
    server.stop();
    for end in [busy.end().await, idle.end().await] {
        assert_eq!(end.expect_err("an error").code(), Code::Unavailable);
    }
    drop((busy, idle));
    server.stopped().await;
    assert!(start.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn k05_a_client_that_does_not_read_does_not_hold_up_a_stop() {
    let large = format!("a={}", "x".repeat(16 << 20));
    let mut server = Server::of(&[(Cluster, &large)]).await;
    let stuck = Sotw::open(&server).await;
    stuck.ask(Cluster, "").await;
    while server.stats.pushed(Cluster) == 0 {
        tokio::task::yield_now().await;
    }
    server.stop();
    server.stopped().await;
    drop(stuck);
}
