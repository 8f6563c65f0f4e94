//! Resources that another program publishes, by node id.

use mirrorplane::embed::Change;
use mirrorplane::embed::Named;
use mirrorplane::embed::Publisher;
use mirrorplane::snapshot::ResourceType;

use crate::client::Delta;
use crate::client::Sotw;
use crate::client::node;
use crate::world::Cluster;
use crate::world::Endpoint;
use crate::world::Listener;
use crate::world::NODE;
use crate::world::Route;
use crate::world::Server;
use crate::world::body;

fn named(ty: ResourceType, name: &str, content: &str) -> Named {
    Named::new(ty, name, body(name, content))
}

fn change() -> Change {
    Change::of(NODE)
}

async fn embedded() -> (Publisher, Server) {
    let (publisher, worlds) = Publisher::new();
    (publisher, Server::serving(worlds).await)
}

#[tokio::test]
async fn a_sotw_client_sees_every_edit_at_the_version_that_was_chosen() {
    let (mut publisher, server) = embedded().await;
    let mut client = Sotw::open(&server).await;
    client.ask(Cluster, "").await;
    client.quiet().await;
    let resources = [named(Cluster, "a", "1"), named(Endpoint, "a", "1")];
    for (edit, version, seen) in [
        (change().set(resources), "1", "a=1"),
        (change().add(named(Cluster, "b", "1")), "2", "a=1 b=1"),
        (change().update(named(Cluster, "a", "2")), "3", "a=2 b=1"),
        (change().remove(Cluster, "b"), "same", "a=2"),
        (
            change().set_type(Cluster, [("c", body("c", "1"))]),
            "same",
            "c=1",
        ),
        (change().clear(), "6", ""),
    ] {
        publisher.publish([edit.version(version)]).expect("it fits");
        let response = client.take(Cluster, seen, "").await;
        assert_eq!(response.version_info, version);
    }
    // The same at another version is no news; without a version it is the content's.
    publisher
        .publish([change().version("7").clear()])
        .expect("it fits");
    client.quiet().await;
    let edit = change().add(named(Cluster, "a", "1"));
    publisher.publish([edit]).expect("it fits");
    let response = client.take(Cluster, "a=1", "").await;
    assert_eq!(response.version_info.len(), 11);
}

#[tokio::test]
async fn a_delta_client_sees_every_edit_and_only_that() {
    let (mut publisher, server) = embedded().await;
    let mut client = Delta::open(&server).await;
    client.ask(Route, "a,b", "").await;
    let both = [("a", body("a", "1")), ("b", body("b", "1"))];
    let set = change().set_type(Route, both);
    let mut versions = Vec::new();
    for (edit, version, seen) in [
        (set.clone(), "1", "a=1 b=1"),
        (change().update(named(Route, "a", "2")), "2", "a=2"),
        (change().remove(Route, "b"), "3", "-b"),
        (change().add(named(Route, "b", "1")), "3", "b=1"),
        (change().clear(), "4", "-a -b"),
        (set, "1", "a=1 b=1"),
    ] {
        publisher.publish([edit.version(version)]).expect("it fits");
        let response = client.take(Route, seen).await;
        assert_eq!(response.system_version_info, version);
        versions.push(crate::client::versions(&response));
    }
    // What a resource calls itself is its content: the same when it comes back, another after an update.
    assert_eq!(versions[0], versions[5]);
    assert_eq!(versions[0]["b"], versions[3]["b"]);
    assert_ne!(versions[0]["a"], versions[1]["a"]);
    client.quiet().await;
}

#[tokio::test]
async fn a_chosen_version_saves_no_answer_on_reconnecting() {
    let (mut publisher, server) = embedded().await;
    let set = change().version("1").set([named(Cluster, "a", "1")]);
    publisher.publish([set]).expect("it fits");
    let mut client = Sotw::open(&server).await;
    let mut request = Sotw::request(Cluster, "");
    request.version_info = "1".to_owned();
    client.send(request).await;
    client.take(Cluster, "a=1", "").await;
}

#[tokio::test]
async fn several_edits_are_one_change() {
    let (mut publisher, server) = embedded().await;
    publisher.publish([]).expect("it fits");
    let mut client = Sotw::open(&server).await;
    client.ask(Listener, "").await;
    client.take(Listener, "", "").await;
    let edits = change()
        .add(named(Listener, "a", "1"))
        .add(named(Listener, "b", "1"))
        .update(named(Listener, "b", "2"))
        .remove(Listener, "a");
    let more = change().add(named(Listener, "c", "1"));
    publisher.publish([edits, more]).expect("it fits");
    client.take(Listener, "b=2 c=1", "").await;
    client.quiet().await;
}

#[tokio::test]
async fn nodes_are_apart_and_strangers_have_nothing() {
    let (mut publisher, server) = embedded().await;
    let add = |id: &str| Change::of(id).add(named(Cluster, "a", id));
    let ids = ["edge-1", "edge/1", "spiffe://mesh/ns/a/b"];
    publisher.publish(ids.map(add)).expect("it fits");
    let mut clients = Vec::new();
    for id in ids.into_iter().chain(["stranger"]) {
        let seen = match id {
            "stranger" => String::new(),
            id => format!("a={id}"),
        };
        let mut request = Sotw::request(Cluster, "");
        request.node = node(id);
        let mut client = Sotw::open(&server).await;
        client.send(request).await;
        client.take(Cluster, &seen, "").await;
        let mut request = Delta::request(Cluster, "", "");
        request.node = node(id);
        let mut incremental = Delta::open(&server).await;
        incremental.send(request).await;
        incremental.take(Cluster, &seen).await;
        clients.push((client, incremental));
    }
    publisher
        .publish([Change::of("edge-1").clear()])
        .expect("it fits");
    let mut clients = clients.into_iter();
    let (mut client, mut incremental) = clients.next().expect("the first");
    client.take(Cluster, "", "").await;
    incremental.take(Cluster, "-a").await;
    for (mut client, mut incremental) in clients {
        client.quiet().await;
        incremental.quiet().await;
    }
}
