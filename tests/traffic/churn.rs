//! Envoys under load while their configuration changes all the time: no request fails, nothing is rejected.

mod load;
mod mesh;
mod node;
mod resources;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use mirrorplane::embed::Change;
use mirrorplane::embed::Named;
use mirrorplane::embed::Publisher;
use mirrorplane::server::Stats;
use mirrorplane::server::serve;
use mirrorplane::snapshot::ResourceType;
use prost_reflect::prost::Message;
use tokio::net::TcpListener;
use tokio::time::sleep;

use self::load::Journal;
use self::load::Load;
use self::mesh::Mesh;
use self::mesh::Resources;
use self::node::Node;
use self::resources::message;
use super::rig::caller::Caller;
use super::rig::echo::Echo;
use super::rig::echo::Manner;
use super::rig::free_address;
use super::rig::sidecar::Kind;
use super::rig::sidecar::Plane;
use super::rig::sidecar::Sidecar;

/// How long the configuration changes.
const LENGTH: Duration = Duration::from_secs(60);
/// The longest pause between two changes. Some follow at once, before the Envoys have answered to the one before.
const LONGEST_PAUSE: Duration = Duration::from_millis(300);
/// How long a service takes to answer: whatever is changed, some requests are under way.
const ANSWER_TIME: Duration = Duration::from_millis(10);
/// Less than this is no load; six times as many are attempted.
const LEAST_REQUESTS_PER_SECOND: u64 = 100;

const HOSTS: [&str; 3] = ["red", "green", "blue"];
const SERVICES: [[&str; 3]; 3] = [
    ["red-1", "red-2", "red-3"],
    ["green-1", "green-2", "green-3"],
    ["blue-1", "blue-2", "blue-3"],
];

/// All parts, running.
struct Stage {
    nodes: [Node; 2],
    publisher: Publisher,
    stats: Arc<Stats>,
    mesh: Mesh,
    echoes: BTreeMap<&'static str, Echo>,
    shadow: Echo,
}

impl Stage {
    /// An Envoy of each variant, with a first configuration. `None` if there is no Envoy to start.
    async fn start() -> Option<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let node = |id, delta| {
            let kind = Kind::Envoy;
            let plane = Plane { kind, delta };
            let sidecar = Sidecar::launch_at(plane, address, free_address(), id, None, None)?;
            Some(Node { id, sidecar })
        };
        let nodes = [node("churn/sotw", false)?, node("churn/delta", true)?];
        let mut echoes = BTreeMap::new();
        for name in SERVICES.into_iter().flatten() {
            let echo = Echo::with(name, Manner::AnswersAfter(ANSWER_TIME)).await;
            echoes.insert(name, echo);
        }
        let shadow = Echo::start("shadow").await;
        let addresses = |names: [&str; 3]| names.map(|name| echoes[name].address).to_vec();
        let hosts = HOSTS.into_iter().zip(SERVICES.map(addresses));
        let mesh = Mesh::new(hosts, shadow.address);
        let (publisher, worlds) = Publisher::new();
        let stats = Arc::new(Stats::default());
        let counted = Arc::clone(&stats);
        tokio::spawn(serve(listener, worlds, counted, std::future::pending()));
        let mut this = Self {
            nodes,
            publisher,
            stats,
            mesh,
            echoes,
            shadow,
        };
        this.publish();
        for node in &this.nodes {
            node.sidecar.serves().await;
        }
        this.settled().await;
        Some(this)
    }

    /// Publishes the mesh as it is now, for both Envoys at once.
    fn publish(&mut self) {
        let changes = self.nodes.iter().map(|node| {
            let resources = self.mesh.resources(node.sidecar.proxy).into_iter();
            let named = resources.map(|((ty, name), json)| {
                let message = message(ty, json);
                Named::new(ty, name, message.encode_to_vec())
            });
            Change::of(node.id).set(named)
        });
        self.publisher.publish(changes).unwrap();
    }

    /// Waits until both Envoys have what is published.
    async fn settled(&self) {
        for node in &self.nodes {
            node.has(&self.mesh).await;
        }
    }

    /// The copies since it was last asked; all services forget what they were asked.
    fn copies(&self) -> usize {
        let copies = self.shadow.count();
        self.shadow.forget();
        self.echoes.values().for_each(Echo::forget);
        copies
    }

    /// Each host is answered for by the endpoints of its cluster and by no other, and is mirrored if it is to be.
    async fn calls_what_it_should(&self, node: &Node) {
        let mut caller = Caller::connect(node.sidecar.proxy).await;
        for (host, answering, is_mirrored) in self.mesh.answering() {
            self.shadow.settled().await;
            self.copies();
            for _ in 0..20 {
                let answer = caller.call("GET", &format!("http://{host}/"), b"").await;
                let answer = answer.unwrap();
                let by = answer.headers()["x-served-by"].to_str().unwrap();
                assert!(answering.contains(&self.echoes[by].address), "{host}: {by}");
            }
            let copies = self.shadow.settled().await;
            assert_eq!(copies, if is_mirrored { 20 } else { 0 }, "{host}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_minute_of_changes_under_load_costs_no_request() {
    let Some(mut stage) = Stage::start().await else {
        return;
    };
    let journal = Journal::new();
    let nodes = stage.nodes.iter();
    let proxies = nodes.map(|node| (node.sidecar.plane.to_string(), node.sidecar.proxy));
    let load = Load::start(&journal, proxies, &HOSTS);
    // How often each type was changed.
    let mut changes = BTreeMap::new();
    let mut copies = 0;
    while journal.elapsed() < LENGTH && journal.failures().is_empty() {
        let before = stage.mesh.resources(stage.nodes[0].sidecar.proxy);
        journal.changing(stage.mesh.change());
        stage.publish();
        let after = stage.mesh.resources(stage.nodes[0].sidecar.proxy);
        for ty in changed(&before, &after) {
            *changes.entry(ty).or_insert(0) += 1;
        }
        if fastrand::u8(..4) > 0 {
            sleep(LONGEST_PAUSE.mul_f64(fastrand::f64())).await;
        }
        // Often, because they remember every request.
        copies += stage.copies();
    }
    if journal.failures().is_empty() {
        stage.settled().await;
    }
    load.stop().await;
    let (answers, failures) = (journal.answers(), journal.failures());
    eprintln!("{answers} answers, {copies} copies; changes: {changes:?}");
    if let Some(first) = failures.first() {
        panic!("{} of {answers} requests failed. {first}", failures.len());
    }
    assert!(answers > LENGTH.as_secs() * LEAST_REQUESTS_PER_SECOND);
    assert!(copies > 0);

    for ty in ResourceType::ALL {
        assert_eq!(stage.stats.nacked(ty), 0, "{ty:?}");
    }
    for node in &stage.nodes {
        node.has_taken(&changes).await;
        stage.calls_what_it_should(node).await;
    }
}

/// The types of which something is not as before.
fn changed(before: &Resources, after: &Resources) -> BTreeSet<ResourceType> {
    let differs = |(a, b): (&Resources, &Resources)| {
        let changed = a.iter().filter(|(key, value)| b.get(*key) != Some(*value));
        changed.map(|((ty, _), _)| *ty).collect::<Vec<_>>()
    };
    let both = [(before, after), (after, before)];
    both.into_iter().flat_map(differs).collect()
}
