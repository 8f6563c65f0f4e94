//! What surrounds resources, and what is on offer: rows A1, A9, A10, A12, A14, C24, D12.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use mirrorplane::snapshot::ResourceType;
use tokio::time::timeout;

use crate::client::Delta;
use crate::client::Sotw;
use crate::client::connect;
use crate::world::Cluster;
use crate::world::DEADLINE;
use crate::world::Endpoint;
use crate::world::Listener;
use crate::world::Part;
use crate::world::Route;
use crate::world::Runtime;
use crate::world::Server;

/// Two resources of each type.
fn everything(content: u32) -> [(ResourceType, String); 5] {
    ResourceType::ALL.map(|ty| (ty, format!("a={content} b={content}")))
}

fn parts(owned: &[(ResourceType, String); 5]) -> Vec<Part<'_>> {
    owned.iter().map(|(ty, list)| (*ty, &**list)).collect()
}

#[tokio::test]
async fn a01_both_methods_of_ads_answer_for_every_type() {
    let server = Server::of(&parts(&everything(1))).await;
    let mut connection = connect(&server).await;
    let mut sotw = Sotw::over(&mut connection).await;
    let mut delta = Delta::over(&mut connection).await;
    for ty in ResourceType::ALL {
        sotw.ask(ty, "a,b").await;
        sotw.take(ty, "a=1 b=1", "a,b").await;
        delta.ask(ty, "a,b", "").await;
        delta.take(ty, "a=1 b=1").await;
    }
}

#[tokio::test]
async fn a09_no_nonce_is_empty_or_used_twice_over_many_changes() {
    let server = Server::of(&parts(&everything(0))).await;
    let (mut sotw, mut delta) = (Sotw::open(&server).await, Delta::open(&server).await);
    let (mut of_sotw, mut of_delta) = (BTreeSet::new(), BTreeSet::new());
    for n in 0..40_u32 {
        server.publish(&parts(&everything(n)));
        let expected = format!("a={n} b={n}");
        for ty in [Cluster, Endpoint, Runtime] {
            if n == 0 {
                sotw.ask(ty, "a,b").await;
                delta.ask(ty, "a,b", "").await;
            }
            let response = sotw.get(ty, &expected).await;
            assert!(of_sotw.insert(response.nonce.clone()), "{}", response.nonce);
            // Answers, rejections and requests without nonce alike.
            match n % 3 {
                0 => sotw.ack(&response, "a,b").await,
                1 => sotw.nack(&response, "a,b").await,
                _ => sotw.ask(ty, "a,b").await,
            }
            let response = delta.get(ty, &expected).await;
            assert!(
                of_delta.insert(response.nonce.clone()),
                "{}",
                response.nonce
            );
            delta.ack(&response).await;
        }
    }
    assert_eq!((of_sotw.len(), of_delta.len()), (120, 120));
}

#[tokio::test]
async fn a10_type_urls_agree_in_every_response() {
    let server = Server::of(&parts(&everything(1))).await;
    let (mut sotw, mut delta) = (Sotw::open(&server).await, Delta::open(&server).await);
    for ty in ResourceType::ALL {
        sotw.ask(ty, "a,b").await;
        let response = sotw.get(ty, "a=1 b=1").await;
        sotw.ack(&response, "a,b").await;
        let urls = response.resources.iter().map(|any| &any.type_url);
        assert!(urls.into_iter().all(|url| *url == response.type_url));
        delta.ask(ty, "a,b,none", "").await;
        let response = delta.take(ty, "-none a=1 b=1").await;
        let bodies = response.resources.iter().flat_map(|r| &r.resource);
        assert!(bodies.into_iter().all(|any| any.type_url == ty.type_url()));
    }
}

/// Plays a client that accepts everything until it has exactly this; no response may contradict itself.
async fn until_it_has(client: &mut Delta, held: &mut BTreeMap<String, Vec<u8>>, expected: &str) {
    let wanted: BTreeMap<String, Vec<u8>> = expected
        .split(' ')
        .filter_map(|item| Some((item.split_once('=')?.0.to_owned(), item.into())))
        .collect();
    while *held != wanted {
        let response = client.next().await;
        let sent: BTreeSet<_> = response.resources.iter().map(|r| &r.name).collect();
        assert_eq!(sent.len(), response.resources.len(), "a name twice");
        for name in &response.removed_resources {
            assert!(!sent.contains(name), "{name} is sent and removed");
            held.remove(name);
        }
        for resource in &response.resources {
            let body = resource.resource.as_ref().expect("a body").value.to_vec();
            held.insert(resource.name.clone(), body);
        }
        client.ack(&response).await;
    }
}

#[tokio::test]
async fn a12_no_name_is_sent_and_removed_in_one_response() {
    for ty in [Cluster, Endpoint, Listener, Route, Runtime] {
        let server = Server::of(&[(ty, "a=0")]).await;
        let mut client = Delta::open(&server).await;
        let mut held = BTreeMap::new();
        client.ask(ty, "*,a,b,c", "").await;
        for world in ["a=1 b=1", "b=2", "a=2 c=1", "", "a=3 b=3 c=3", "c=3", "a=4"] {
            // Names are dropped and taken while they come and go.
            client.ask(ty, "b", "a").await;
            server.publish(&[(ty, world)]);
            client.ask(ty, "a", "c").await;
            until_it_has(&mut client, &mut held, world).await;
        }
    }
}

#[tokio::test]
async fn a14_neither_an_ack_nor_a_shorter_list_is_answered() {
    for ty in [Endpoint, Route, Runtime] {
        let server = Server::of(&[(ty, "a=1 b=1 c=1")]).await;
        let (mut sotw, mut delta) = (Sotw::open(&server).await, Delta::open(&server).await);
        sotw.ask(ty, "a,b,c").await;
        let response = sotw.get(ty, "a=1 b=1 c=1").await;
        delta.ask(ty, "a,b,c", "").await;
        let increments = delta.get(ty, "a=1 b=1 c=1").await;
        for list in ["a,b,c", "a,b", "a", ""] {
            sotw.ack(&response, list).await;
            delta.ack(&increments).await;
        }
        for name in ["a", "b", "c"] {
            delta.ask(ty, "", name).await;
        }
        sotw.quiet().await;
        delta.quiet().await;
    }
}

#[tokio::test]
async fn c24_an_incremental_resource_says_what_it_is_and_nothing_more() {
    let server = Server::of(&parts(&everything(1))).await;
    let mut client = Delta::open(&server).await;
    for ty in ResourceType::ALL {
        client.ask(ty, "a,b", "").await;
        let response = client.take(ty, "a=1 b=1").await;
        assert_eq!(response.type_url, ty.type_url());
        assert!(!response.nonce.is_empty());
        for resource in response.resources {
            assert!(["a", "b"].contains(&&*resource.name), "{}", resource.name);
            assert!(!resource.version.is_empty());
            let any = resource.resource.expect("a body");
            assert_eq!(any.type_url, ty.type_url());
            assert!(any.value.starts_with(resource.name.as_bytes()));
        }
    }
}

#[tokio::test]
async fn d12_a_crowd_of_new_clients_has_clusters_and_listeners_in_time() {
    let server = Server::of(&parts(&everything(1))).await;
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let mut connection = connect(&server).await;
        for _ in 0..50 {
            let mut client = Sotw::over(&mut connection).await;
            clients.spawn(async move {
                for ty in [Cluster, Listener] {
                    client.ask(ty, "").await;
                    client.get(ty, "a=1 b=1").await;
                }
            });
        }
    }
    // An Envoy waits for 15 seconds; `DEADLINE` is for a busy machine, and for each response.
    let all = timeout(DEADLINE, clients.join_all()).await;
    assert_eq!(all.expect("in time").len(), 400);
}
