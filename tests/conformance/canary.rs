//! A change is tried by a few sidecars first.

use std::sync::Arc;
use std::time::Duration;

use mirrorplane::embed::Change;
use mirrorplane::embed::Named;
use mirrorplane::embed::Publisher;
use mirrorplane::proto::envoy::service::discovery::v3::DeltaDiscoveryResponse;
use mirrorplane::proto::envoy::service::discovery::v3::DiscoveryResponse;
use mirrorplane::rollout::Board;
use mirrorplane::rollout::Settings;
use mirrorplane::rollout::Stage;
use mirrorplane::rollout::Status;
use mirrorplane::rollout::run;
use mirrorplane::snapshot::ResourceType;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::client::Delta;
use crate::client::Sotw;
use crate::client::node;
use crate::world::Cluster;
use crate::world::DEADLINE;
use crate::world::Route;
use crate::world::Runtime;
use crate::world::Server;
use crate::world::body;

/// So long that no test comes to it.
const NEVER: Duration = Duration::from_secs(3_000);

/// A fleet of sidecars that are published for as one, and who of them tries what.
struct Fleet {
    publisher: Publisher,
    server: Server,
    board: Arc<Board>,
}

/// Whom all sidecars follow.
const LEADER: &str = "fleet";

/// The last one comes late.
const IDS: [&str; 5] = ["n0", "n1", "n2", "n3", "late"];

fn named(ty: ResourceType, content: &str) -> Named {
    Named::new(ty, "a", body("a", content))
}

fn changed(ty: ResourceType, content: &str) -> Change {
    Change::of(LEADER).update(named(ty, content))
}

impl Fleet {
    /// Everybody is to have `a=1` of every type; more than two sidecars are many, and one tries for them.
    async fn new(timeout: Duration) -> Self {
        let (mut publisher, targets) = Publisher::new();
        let (worlds, world) = watch::channel(None);
        let server = Server::serving(world).await;
        let board = Arc::new(Board::default());
        let settings = Settings {
            threshold: 2,
            canaries: 1,
            timeout,
        };
        let stats = Arc::clone(&server.stats);
        tokio::spawn(run(settings, targets, worlds, stats, Arc::clone(&board)));
        let types = [Cluster, Route, Runtime].map(|ty| named(ty, "1"));
        let first = Change::of(LEADER).set(types);
        let follow = IDS.map(|id| Change::follow(id, LEADER));
        let all = std::iter::once(first).chain(follow);
        publisher.publish(all).expect("it fits");
        Self {
            publisher,
            server,
            board,
        }
    }

    /// Four of them, connected.
    async fn connected(&self) -> Vec<Sidecar> {
        let mut sidecars = Vec::new();
        for (id, delta) in IDS.into_iter().zip([false, true, false, true]) {
            sidecars.push(Sidecar::open(&self.server, id, delta, "a=1").await);
        }
        sidecars
    }

    fn publish(&mut self, change: Change) {
        self.publisher.publish([change]).expect("it fits");
    }

    /// What the board says once it says what is wanted.
    async fn status(&self, wanted: impl Fn(&[Status]) -> bool) -> Vec<Status> {
        let mut standing = self.board.subscribe();
        let stands = standing.wait_for(|standing| wanted(&standing.rollouts));
        let stands = timeout(DEADLINE, stands).await.expect("in time");
        stands.expect("it runs").rollouts.clone()
    }

    /// The only sidecar that tries a change, by its place in the list of ids.
    async fn canary(&self) -> usize {
        let status = self.status(|all| all.iter().any(is_tried)).await;
        let [status] = &status[..] else {
            panic!("one group: {status:?}");
        };
        let [canary] = &status.canaries[..] else {
            panic!("one canary: {status:?}");
        };
        // The leader's id is that of replicas, which have no place.
        let index = IDS.iter().position(|id| **id == *canary.node);
        index.unwrap_or(IDS.len())
    }
}

fn is_tried(status: &Status) -> bool {
    status.stage == Stage::Trying
}

/// A sidecar that asks for clusters, routes and runtime values, in one of the two variants.
enum Sidecar {
    Sotw(Sotw),
    Delta(Delta),
}

/// A response that is not answered.
enum Response {
    Sotw(DiscoveryResponse),
    Delta(DeltaDiscoveryResponse),
}

impl Sidecar {
    /// It connects, and takes what it is sent of each type.
    async fn open(server: &Server, id: &str, delta: bool, seen: &str) -> Self {
        let mut this = match delta {
            false => Self::Sotw(Sotw::open(server).await),
            true => Self::Delta(Delta::open(server).await),
        };
        for (ty, list) in [(Cluster, ""), (Route, "a"), (Runtime, "a")] {
            match &this {
                Self::Sotw(stream) => {
                    let mut request = Sotw::request(ty, list);
                    request.node = node(id);
                    stream.send(request).await;
                }
                Self::Delta(stream) => {
                    let mut request = Delta::request(ty, list, "");
                    request.node = node(id);
                    stream.send(request).await;
                }
            }
            let seen = if ty == Route { seen } else { "a=1" };
            this.take(ty, seen).await;
        }
        this
    }

    /// The next response holds this; it is accepted.
    async fn take(&mut self, ty: ResourceType, expected: &str) {
        match self {
            Self::Sotw(stream) => drop(stream.take(ty, expected, list(ty)).await),
            Self::Delta(stream) => drop(stream.take(ty, expected).await),
        }
    }

    /// The next response holds this; it is not answered.
    async fn get(&mut self, ty: ResourceType, expected: &str) -> Response {
        match self {
            Self::Sotw(stream) => Response::Sotw(stream.get(ty, expected).await),
            Self::Delta(stream) => Response::Delta(stream.get(ty, expected).await),
        }
    }

    async fn answer(&self, ty: ResourceType, response: &Response, accepted: bool) {
        match (self, response, accepted) {
            (Self::Sotw(stream), Response::Sotw(r), true) => stream.ack(r, list(ty)).await,
            (Self::Sotw(stream), Response::Sotw(r), false) => stream.nack(r, list(ty)).await,
            (Self::Delta(stream), Response::Delta(r), true) => stream.ack(r).await,
            (Self::Delta(stream), Response::Delta(r), false) => stream.nack(r, "").await,
            _ => panic!("the response of another stream"),
        }
    }

    async fn quiet(&mut self) {
        match self {
            Self::Sotw(stream) => stream.quiet().await,
            Self::Delta(stream) => stream.quiet().await,
        }
    }
}

/// The names that a sidecar asks for.
fn list(ty: ResourceType) -> &'static str {
    if ty == Cluster { "" } else { "a" }
}

#[tokio::test]
async fn only_the_canary_has_a_change_until_it_accepts() {
    for ty in [Route, Cluster] {
        let mut fleet = Fleet::new(NEVER).await;
        let mut sidecars = fleet.connected().await;
        fleet.publish(changed(ty, "2"));
        let canary = fleet.canary().await;
        let response = sidecars[canary].get(ty, "a=2").await;
        // A share passes, whoever tries what.
        fleet.publish(changed(Runtime, "2"));
        for (index, sidecar) in sidecars.iter_mut().enumerate() {
            sidecar.take(Runtime, "a=2").await;
            if index != canary {
                sidecar.quiet().await;
            }
        }
        sidecars[canary].answer(ty, &response, true).await;
        for (index, sidecar) in sidecars.iter_mut().enumerate() {
            if index != canary {
                sidecar.take(ty, "a=2").await;
            }
            sidecar.quiet().await;
        }
        assert!(fleet.board.rollouts().is_empty());
    }
}

#[tokio::test]
async fn a_rejection_stops_it_for_all() {
    let mut fleet = Fleet::new(NEVER).await;
    let mut sidecars = fleet.connected().await;
    fleet.publish(changed(Route, "bad"));
    let canary = fleet.canary().await;
    let response = sidecars[canary].get(Route, "a=bad").await;
    sidecars[canary].answer(Route, &response, false).await;
    let stopped = |all: &[Status]| all.iter().any(|one| !is_tried(one));
    let status = fleet.status(stopped).await.remove(0);
    let Stage::Rejected(rejections) = &status.stage else {
        panic!("rejected: {status:?}");
    };
    assert_eq!(status.group.to_string(), "node/fleet");
    assert_eq!(status.sidecars, 4);
    assert!(status.changes.iter().eq([&(Route, "a".into())]));
    let [rejection] = &rejections[..] else {
        panic!("one: {rejections:?}");
    };
    assert_eq!((rejection.ty, &*rejection.message), (Route, "cannot be"));
    // It gets back what is good; the others never had anything else, and so it is for one that comes late.
    sidecars[canary].take(Route, "a=1").await;
    sidecars.push(Sidecar::open(&fleet.server, IDS[4], true, "a=1").await);
    for sidecar in &mut sidecars {
        sidecar.quiet().await;
    }
    // Nothing else has to wait for it.
    fleet.publish(changed(Runtime, "0"));
    for sidecar in &mut sidecars {
        sidecar.take(Runtime, "a=0").await;
        sidecar.quiet().await;
    }
    // What is repaired is tried, and then for all.
    fleet.publish(changed(Route, "good"));
    let next = fleet.canary().await;
    assert_ne!(
        next, canary,
        "others are asked before one that has rejected"
    );
    for sidecar in sidecars
        .iter_mut()
        .enumerate()
        .filter(|(index, _)| *index != next)
    {
        sidecar.1.quiet().await;
    }
    sidecars[next].take(Route, "a=good").await;
    for sidecar in sidecars
        .iter_mut()
        .enumerate()
        .filter(|(index, _)| *index != next)
    {
        sidecar.1.take(Route, "a=good").await;
    }
    assert_eq!(fleet.server.stats.nacked(Route), 1, "nobody else was asked");
}

#[tokio::test]
async fn silence_is_consent_after_the_timeout() {
    let mut fleet = Fleet::new(Duration::from_millis(300)).await;
    let mut sidecars = fleet.connected().await;
    fleet.publish(changed(Route, "2"));
    let canary = fleet.canary().await;
    let response = sidecars[canary].get(Route, "a=2").await;
    for (index, sidecar) in sidecars.iter_mut().enumerate() {
        if index != canary {
            sidecar.take(Route, "a=2").await;
        }
    }
    sidecars[canary].answer(Route, &response, true).await;
    fleet.status(<[_]>::is_empty).await;
}

#[tokio::test]
async fn who_comes_late_has_what_is_good_until_it_goes_on() {
    let mut fleet = Fleet::new(NEVER).await;
    let mut sidecars = fleet.connected().await;
    fleet.publish(changed(Route, "2"));
    let canary = fleet.canary().await;
    let response = sidecars[canary].get(Route, "a=2").await;
    sidecars.push(Sidecar::open(&fleet.server, IDS[4], false, "a=1").await);
    sidecars[4].quiet().await;
    sidecars[canary].answer(Route, &response, true).await;
    for (index, sidecar) in sidecars.iter_mut().enumerate() {
        if index != canary {
            sidecar.take(Route, "a=2").await;
        }
    }
}

#[tokio::test]
async fn what_is_newer_is_tried_instead_and_what_is_taken_back_is_over() {
    let mut fleet = Fleet::new(NEVER).await;
    let mut sidecars = fleet.connected().await;
    fleet.publish(changed(Route, "2"));
    let canary = fleet.canary().await;
    let response = sidecars[canary].get(Route, "a=2").await;
    fleet.publish(changed(Route, "3"));
    // The choice is the same each time.
    let newer = sidecars[canary].get(Route, "a=3").await;
    sidecars[canary].answer(Route, &response, true).await;
    for (index, sidecar) in sidecars.iter_mut().enumerate() {
        if index != canary {
            sidecar.quiet().await;
        }
    }
    fleet.publish(changed(Route, "1"));
    fleet.status(<[_]>::is_empty).await;
    sidecars[canary].get(Route, "a=1").await;
    sidecars[canary].answer(Route, &newer, true).await;
    for sidecar in &mut sidecars {
        sidecar.quiet().await;
    }
}

#[tokio::test]
async fn replicas_with_one_id_are_told_apart() {
    let mut fleet = Fleet::new(NEVER).await;
    let mut sidecars = Vec::new();
    for delta in [false, true, false, true] {
        sidecars.push(Sidecar::open(&fleet.server, LEADER, delta, "a=1").await);
    }
    let pushed = fleet.server.stats.pushed(Route);
    fleet.publish(changed(Route, "2"));
    fleet.canary().await;
    // One of them is sent it. Which one, its response tells.
    timeout(DEADLINE, async {
        while fleet.server.stats.pushed(Route) == pushed {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await
    .expect("somebody tries it");
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(fleet.server.stats.pushed(Route), pushed + 1);
}
