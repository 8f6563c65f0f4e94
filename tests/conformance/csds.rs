//! What the server says of its clients: row K2.

use mirrorplane::proto::envoy::admin::v3::ClientResourceStatus;
use mirrorplane::proto::envoy::service::status::v3 as csds;
use mirrorplane::proto::envoy::service::status::v3::ConfigStatus;
use mirrorplane::proto::envoy::service::status::v3::client_status_discovery_service_client::ClientStatusDiscoveryServiceClient;
use mirrorplane::proto::envoy::r#type::matcher::v3 as matcher;
use mirrorplane::proto::envoy::r#type::matcher::v3::string_matcher::MatchPattern;
use mirrorplane::snapshot::ResourceType;
use mirrorplane::snapshot::Version;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

use crate::client::Connection;
use crate::client::Delta;
use crate::client::Sotw;
use crate::client::connect;
use crate::world::Cluster;
use crate::world::Listener;
use crate::world::NODE;
use crate::world::Route;
use crate::world::Server;
use crate::world::body;

fn by_id(id: &str) -> csds::ClientStatusRequest {
    let id = matcher::StringMatcher {
        match_pattern: Some(MatchPattern::Exact(id.to_owned())),
        ..Default::default()
    };
    csds::ClientStatusRequest {
        node_matchers: vec![matcher::NodeMatcher {
            node_id: Some(id),
            ..Default::default()
        }],
        ..Default::default()
    }
}

async fn fetch(
    connection: &Connection,
    request: csds::ClientStatusRequest,
) -> Vec<csds::ClientConfig> {
    let mut client = ClientStatusDiscoveryServiceClient::new(connection.channel.clone());
    let response = client.fetch_client_status(request).await;
    response.expect("a response").into_inner().config
}

/// The only client's resources: type, name and how it stands with them, in the order of the types.
async fn stands(connection: &Connection) -> Vec<(String, ConfigStatus, ClientResourceStatus)> {
    let clients = fetch(connection, by_id(NODE)).await;
    let [client] = &clients[..] else {
        panic!("one client, not {clients:?}");
    };
    let resources = client.generic_xds_configs.iter();
    resources
        .map(|r| {
            let ty = ResourceType::from_type_url(&r.type_url).expect("a type");
            let name = format!("{ty:?} {}", r.name);
            (name, r.config_status(), r.client_status())
        })
        .collect()
}

fn expected(
    stands: &[(&str, ConfigStatus, ClientResourceStatus)],
) -> Vec<(String, ConfigStatus, ClientResourceStatus)> {
    let stands = stands.iter();
    stands
        .map(|(name, config, client)| ((*name).to_owned(), *config, *client))
        .collect()
}

const SENT: (ConfigStatus, ClientResourceStatus) =
    (ConfigStatus::Stale, ClientResourceStatus::Requested);
const ACKED: (ConfigStatus, ClientResourceStatus) =
    (ConfigStatus::Synced, ClientResourceStatus::Acked);
const NACKED: (ConfigStatus, ClientResourceStatus) =
    (ConfigStatus::Error, ClientResourceStatus::Nacked);
const MISSING: (ConfigStatus, ClientResourceStatus) =
    (ConfigStatus::Synced, ClientResourceStatus::DoesNotExist);

fn row(
    name: &str,
    (config, client): (ConfigStatus, ClientResourceStatus),
) -> (&str, ConfigStatus, ClientResourceStatus) {
    (name, config, client)
}

#[tokio::test]
async fn a_sotw_client_is_told_of_as_it_answers() {
    let server = Server::of(&[(Cluster, "a=1 b=1"), (Listener, "l=1")]).await;
    let connection = connect(&server).await;
    assert!(fetch(&connection, by_id(NODE)).await.is_empty());
    let mut client = Sotw::open(&server).await;
    client.ask(Cluster, "").await;
    let first = client.get(Cluster, "a=1 b=1").await;
    let both = |stands| expected(&[row("Cluster a", stands), row("Cluster b", stands)]);
    assert_eq!(stands(&connection).await, both(SENT));
    client.ack(&first, "").await;
    client.ask(Listener, "").await;
    client.take(Listener, "l=1", "").await;
    let mut all = both(ACKED);
    all.extend(expected(&[row("Listener l", ACKED)]));
    assert_eq!(stands(&connection).await, all);

    server.publish(&[(Cluster, "a=2 b=1"), (Listener, "l=1")]);
    let second = client.get(Cluster, "a=2 b=1").await;
    client.nack(&second, "").await;
    client.quiet().await;
    let mut all = both(NACKED);
    all.extend(expected(&[row("Listener l", ACKED)]));
    assert_eq!(stands(&connection).await, all);
    let clients = fetch(&connection, by_id(NODE)).await;
    let rejected = &clients[0].generic_xds_configs[0];
    let version = Version::of(&body("a", "2")).to_string();
    assert_eq!(rejected.version_info, version);
    let error = rejected.error_state.as_ref().expect("an error");
    assert_eq!(
        (&*error.details, &*error.version_info),
        ("cannot be", &*version)
    );
    let contents = rejected.xds_config.as_ref().expect("the contents");
    assert_eq!(contents.value, body("a", "2"));
    assert_eq!(contents.type_url, Cluster.type_url());

    // What is accepted later clears it.
    server.publish(&[(Cluster, "a=3 b=1"), (Listener, "l=1")]);
    client.take(Cluster, "a=3 b=1", "").await;
    let mut all = both(ACKED);
    all.extend(expected(&[row("Listener l", ACKED)]));
    assert_eq!(stands(&connection).await, all);
    let without = csds::ClientStatusRequest {
        exclude_resource_contents: true,
        ..by_id(NODE)
    };
    let clients = fetch(&connection, without).await;
    let mut resources = clients[0].generic_xds_configs.iter();
    assert!(resources.all(|r| r.xds_config.is_none() && r.error_state.is_none()));

    drop(client);
    server.has_streams(0).await;
    assert!(fetch(&connection, by_id(NODE)).await.is_empty());
}

#[tokio::test]
async fn a_delta_client_is_told_of_with_what_it_misses() {
    let server = Server::of(&[(Route, "a=1")]).await;
    let connection = connect(&server).await;
    let mut client = Delta::open(&server).await;
    client.ask(Route, "a,b", "").await;
    client.take(Route, "-b a=1").await;
    let seen = expected(&[row("Route a", ACKED), row("Route b", MISSING)]);
    assert_eq!(stands(&connection).await, seen);
}

#[tokio::test]
async fn a_stream_of_requests_is_answered_one_by_one() {
    let server = Server::of(&[(Cluster, "a=1")]).await;
    let connection = connect(&server).await;
    let mut clients = Vec::new();
    for _ in 0..2 {
        let mut client = Sotw::open(&server).await;
        client.ask(Cluster, "").await;
        client.take(Cluster, "a=1", "").await;
        clients.push(client);
    }
    // It has not said who it is.
    let _silent = Delta::open(&server).await;
    let mut status = ClientStatusDiscoveryServiceClient::new(connection.channel.clone());
    let (requests, outbound) = mpsc::channel(4);
    for request in [csds::ClientStatusRequest::default(), by_id("stranger")] {
        requests.send(request).await.expect("an open stream");
    }
    let responses = status.stream_client_status(ReceiverStream::new(outbound));
    let mut responses = responses.await.expect("a stream").into_inner();
    for count in [2, 0] {
        let response = responses.message().await.expect("no error");
        assert_eq!(response.expect("a response").config.len(), count);
    }
    let mut wrong = by_id(NODE);
    wrong.node_matchers[0].node_metadatas = vec![Default::default()];
    requests.send(wrong).await.expect("an open stream");
    let end = responses.message().await.expect_err("an error");
    assert_eq!(end.code(), Code::InvalidArgument);
}
