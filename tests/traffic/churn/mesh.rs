//! A mesh that changes at random and is whole after each change.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;

use fastrand::Rng;
use mirrorplane::snapshot::ResourceType;
use mirrorplane::translate::names::RUNTIME;
use serde_json::Value;
use serde_json::json;

use super::resources;

/// What is published, by type and name.
pub(crate) type Resources = BTreeMap<(ResourceType, String), Value>;

/// A cluster of a host. Its name comes and goes, and is another cluster whenever it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    X,
    Y,
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::X => Self::Y,
            Self::Y => Self::X,
        }
    }
}

/// What tells one cluster from another of the same name.
#[derive(Clone, Debug)]
struct Cluster {
    endpoints: BTreeSet<SocketAddr>,
    connect_seconds: u32,
}

/// A host that is asked for all the time.
#[derive(Debug)]
struct Host {
    name: &'static str,
    /// Services that may answer for it.
    services: Vec<SocketAddr>,
    clusters: BTreeMap<Side, Cluster>,
    /// The cluster that its requests go to.
    route: Side,
    is_mirrored: bool,
}

/// One change, or two or three at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A cluster comes, the routes go to it, and the other one goes.
    Swap,
    /// The same in steps: each of these is one of them.
    Prepare,
    Move,
    Retire,
    /// Endpoints of a cluster come and go.
    Endpoints,
    /// A cluster changes, and has to be warmed again.
    Cluster,
    /// A mirror comes or goes, and its cluster with it.
    Mirror,
    /// A cluster comes or goes that nothing leads to.
    Spare,
}

impl Kind {
    /// The more often a kind is in here, the more often it happens.
    const DICE: [Self; 11] = [
        Self::Swap,
        Self::Swap,
        Self::Prepare,
        Self::Move,
        Self::Retire,
        Self::Endpoints,
        Self::Endpoints,
        Self::Cluster,
        Self::Mirror,
        Self::Mirror,
        Self::Spare,
    ];
}

/// The whole of it.
#[derive(Debug)]
pub(crate) struct Mesh {
    hosts: Vec<Host>,
    shadow: SocketAddr,
    has_spare: bool,
    rng: Rng,
}

impl Mesh {
    /// A mesh of these hosts, each with the services that may answer for it.
    pub(crate) fn new(
        hosts: impl IntoIterator<Item = (&'static str, Vec<SocketAddr>)>,
        shadow: SocketAddr,
    ) -> Self {
        let host = |(name, services): (_, Vec<SocketAddr>)| {
            let first = Cluster {
                endpoints: services.iter().copied().collect(),
                connect_seconds: 1,
            };
            Host {
                name,
                services,
                clusters: [(Side::X, first)].into(),
                route: Side::X,
                is_mirrored: false,
            }
        };
        Self {
            hosts: hosts.into_iter().map(host).collect(),
            shadow,
            has_spare: false,
            rng: Rng::new(),
        }
    }

    /// Changes something; says what.
    pub(crate) fn change(&mut self) -> String {
        let count = self.rng.usize(1..=3);
        let changes: Vec<_> = (0..count).map(|_| self.change_once()).collect();
        changes.join(", ")
    }

    fn change_once(&mut self) -> String {
        let Self { hosts, rng, .. } = self;
        let kind = Kind::DICE[rng.usize(..Kind::DICE.len())];
        let index = rng.usize(..hosts.len());
        let host = &mut hosts[index];
        let other = host.route.other();
        match kind {
            Kind::Swap => {
                host.clusters = [(other, any_cluster(rng, &host.services))].into();
                host.route = other;
            }
            Kind::Prepare => {
                host.clusters
                    .insert(other, any_cluster(rng, &host.services));
            }
            Kind::Move if host.clusters.contains_key(&other) => host.route = other,
            Kind::Retire | Kind::Move => {
                host.clusters.remove(&other);
            }
            Kind::Endpoints => {
                let endpoints = any_cluster(rng, &host.services).endpoints;
                let routed = host.clusters.get_mut(&host.route);
                routed.expect("a route leads to a cluster").endpoints = endpoints;
            }
            Kind::Cluster => {
                let routed = host.clusters.get_mut(&host.route);
                routed.expect("a route leads to a cluster").connect_seconds = rng.u32(1..=9);
            }
            Kind::Mirror => host.is_mirrored = !host.is_mirrored,
            Kind::Spare => self.has_spare = !self.has_spare,
        }
        format!("{kind:?} of {host}")
    }

    /// All of it, for a sidecar that is to listen here.
    pub(crate) fn resources(&self, listen: SocketAddr) -> Resources {
        let mut all = Resources::new();
        let mut add = |ty, name: &str, json| all.insert((ty, name.to_owned()), json);
        let runtime = json!({ "name": RUNTIME, "layer": {} });
        add(ResourceType::Runtime, RUNTIME, runtime);
        let listener = resources::listener(listen);
        add(ResourceType::Listener, resources::NAME, listener);
        let mut add_cluster = |name: &str, cluster: &Cluster| {
            let (endpoints, seconds) = (cluster.endpoints.clone(), cluster.connect_seconds);
            add(
                ResourceType::Cluster,
                name,
                resources::cluster(name, seconds),
            );
            add(
                ResourceType::Endpoint,
                name,
                resources::endpoints(name, endpoints),
            );
        };
        let shadow = Cluster {
            endpoints: [self.shadow].into(),
            connect_seconds: 1,
        };
        if self.has_spare {
            add_cluster("spare", &shadow);
        }
        let mut virtual_hosts = Vec::new();
        for host in &self.hosts {
            for (side, cluster) in &host.clusters {
                add_cluster(&host.cluster_name(*side), cluster);
            }
            let mirror = host.is_mirrored.then(|| format!("{}-shadow", host.name));
            if let Some(name) = &mirror {
                add_cluster(name, &shadow);
            }
            let routed = host.cluster_name(host.route);
            virtual_hosts.push(resources::virtual_host(
                host.name,
                &routed,
                mirror.as_deref(),
            ));
        }
        let routes = resources::routes(&virtual_hosts);
        add(ResourceType::Route, resources::NAME, routes);
        all
    }

    /// For each host the services that answer for it now, and whether its requests are copied.
    pub(crate) fn answering(
        &self,
    ) -> impl Iterator<Item = (&'static str, &BTreeSet<SocketAddr>, bool)> {
        self.hosts.iter().map(|host| {
            let routed = &host.clusters[&host.route];
            (host.name, &routed.endpoints, host.is_mirrored)
        })
    }
}

impl Host {
    fn cluster_name(&self, side: Side) -> String {
        format!("{}-{side:?}", self.name)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, route, .. } = self;
        let clusters: Vec<_> = self.clusters.keys().collect();
        let mirrored = if self.is_mirrored { " mirrored" } else { "" };
        write!(f, "{name} (now {route:?} of {clusters:?}{mirrored})")
    }
}

/// A cluster of some of these services, at least one.
fn any_cluster(rng: &mut Rng, services: &[SocketAddr]) -> Cluster {
    let count = rng.usize(1..=services.len());
    Cluster {
        endpoints: rng
            .choose_multiple(services.iter().copied(), count)
            .into_iter()
            .collect(),
        connect_seconds: rng.u32(1..=9),
    }
}
