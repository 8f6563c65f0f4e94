//! A crowd and its worlds, for the tests of the machine.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Settings;
use super::machine::Event;
use super::machine::Rollout;
use super::machine::What;
use crate::model::GroupId;
use crate::server::Member;
use crate::server::Record;
use crate::server::Verdict;
use crate::snapshot::Instance;
use crate::snapshot::Resource;
use crate::snapshot::ResourceType;
use crate::snapshot::Snapshot;
use crate::snapshot::Version;
use crate::snapshot::World;

pub(super) const TIMEOUT: Duration = Duration::from_secs(5);

/// A sidecar that has accepted all so far.
pub(super) fn member(id: &str) -> Member {
    Member {
        sidecar: sidecar(id),
        software: Default::default(),
        record: Record::Settled,
    }
}

pub(super) fn sidecar(id: &str) -> Instance {
    Instance {
        node: Arc::from(id),
        peer: None,
    }
}

/// A snapshot with a route of this content, endpoints and a share.
fn snapshot(route: &str, endpoints: &str, share: &str) -> Arc<Snapshot> {
    let parts = [
        (ResourceType::Route, route),
        (ResourceType::Endpoint, endpoints),
        (ResourceType::Runtime, share),
    ];
    let resource = |content: &str| {
        let (version, body) = (Version::of(content.as_bytes()), content.to_owned().into());
        BTreeMap::from([(Arc::from("it"), Resource { version, body })])
    };
    let parts = parts.map(|(ty, content)| (ty, resource(content)));
    Arc::new(Snapshot::new(parts.into()))
}

/// `GROUP=ROUTE/ENDPOINTS/SHARE ...`, and `NODE=GROUP ...`; strangers have the group `none`.
pub(super) fn world(groups: &str, nodes: &str) -> Arc<World> {
    let pairs = |text: &str| -> Vec<(String, String)> {
        let items = text.split_whitespace();
        items
            .map(|item| {
                let (left, right) = item.split_once('=').unwrap();
                (left.to_owned(), right.to_owned())
            })
            .collect()
    };
    let group = |(id, content): (String, String)| {
        let parts: Vec<&str> = content.split('/').collect();
        (GroupId::new(id), snapshot(parts[0], parts[1], parts[2]))
    };
    let nodes = pairs(nodes).into_iter();
    Arc::new(World {
        groups: pairs(&format!("none=0/0/0 {groups}"))
            .into_iter()
            .map(group)
            .collect(),
        nodes: Arc::new(
            nodes
                .map(|(node, group)| (node.into(), GroupId::new(group)))
                .collect(),
        ),
        fallback: GroupId::new("none"),
        exceptions: Default::default(),
    })
}

/// A machine, those who are connected, what they say, and a clock.
pub(super) struct Scene {
    pub(super) rollout: Rollout,
    pub(super) crowd: Vec<Member>,
    pub(super) says: BTreeMap<Instance, Verdict>,
    pub(super) now: Instant,
    /// How often the crowd was asked for.
    pub(super) looks: RefCell<usize>,
}

impl Scene {
    /// More than two sidecars are many, and one tries for them.
    pub(super) fn of(connected: &str) -> Self {
        Self::with(
            connected,
            Settings {
                threshold: 2,
                canaries: 1,
                timeout: TIMEOUT,
            },
        )
    }

    pub(super) fn with(connected: &str, settings: Settings) -> Self {
        Self {
            rollout: Rollout::new(settings),
            crowd: connected.split_whitespace().map(member).collect(),
            says: BTreeMap::new(),
            now: Instant::now(),
            looks: RefCell::default(),
        }
    }

    pub(super) fn target(&mut self, world: &Arc<World>) -> Vec<What> {
        let crowd = || {
            *self.looks.borrow_mut() += 1;
            self.crowd.clone()
        };
        let events = self.rollout.retarget(Arc::clone(world), crowd, self.now);
        self.whats(events)
    }

    pub(super) fn judge(&mut self) -> Vec<What> {
        let verdict = |_: u64, sidecar: &Instance, _: &_| {
            let connected = self.crowd.iter().any(|member| member.sidecar == *sidecar);
            match self.says.get(sidecar) {
                Some(said) => said.clone(),
                None if connected => Verdict::Pending,
                None => Verdict::Gone,
            }
        };
        let events = self.rollout.judge(verdict, || self.crowd.clone(), self.now);
        self.whats(events)
    }

    fn whats(&mut self, events: Vec<Event>) -> Vec<What> {
        if events.iter().any(|event| event.what == What::Started) {
            // What was said was said of something else.
            self.says.clear();
        }
        events.into_iter().map(|event| event.what).collect()
    }

    /// All canaries say this.
    pub(super) fn canaries_say(&mut self, verdict: &Verdict) -> Vec<What> {
        for canary in self.canaries() {
            self.says.insert(canary, verdict.clone());
        }
        self.judge()
    }

    pub(super) fn canaries(&self) -> Vec<Instance> {
        let world = self.rollout.world().unwrap();
        world.exceptions.canaries.keys().cloned().collect()
    }

    /// Likewise; none before the first world.
    pub(super) fn canaries_or_none(&self) -> Vec<Instance> {
        match self.rollout.world() {
            Some(_) => self.canaries(),
            None => Vec::new(),
        }
    }

    /// `ROUTE/ENDPOINTS/SHARE` that a sidecar is served.
    pub(super) fn has(&self, id: &str) -> String {
        let world = self.rollout.world().unwrap();
        let snapshot = match world.canary(&Arc::from(id), None) {
            Some(canary) => Arc::clone(&canary.snapshot),
            None => world.snapshot_for(id),
        };
        let types = [
            ResourceType::Route,
            ResourceType::Endpoint,
            ResourceType::Runtime,
        ];
        types
            .map(|ty| String::from_utf8_lossy(&snapshot.of(ty)["it"].body).into_owned())
            .join("/")
    }

    /// What those have who try nothing; all of them the same.
    pub(super) fn others_have(&self) -> String {
        let canaries = self.canaries();
        let others = self.crowd.iter().map(|member| &member.sidecar);
        let others = others.filter(|sidecar| !canaries.contains(sidecar));
        let mut has: Vec<_> = others.map(|sidecar| self.has(&sidecar.node)).collect();
        has.dedup();
        has.join(" ")
    }

    /// What canaries have; all of them the same.
    pub(super) fn canaries_have(&self) -> String {
        let canaries = self.canaries();
        let mut has: Vec<_> = canaries.iter().map(|one| self.has(&one.node)).collect();
        has.dedup();
        has.join(" ")
    }
}
