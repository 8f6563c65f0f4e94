//! What each sidecar is told.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::sync::Arc;

use super::{Backend, Capture, Mirror, Quarantine};
use crate::name::Namespaced;

/// How it is known that a port speaks HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Certainty {
    /// The Service says so.
    Said,
    /// The Service does not say what it speaks.
    Assumed,
}

/// One HTTP port of a destination.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DestinationPort {
    /// Where the requests themselves go.
    pub backend: Arc<Backend>,
    /// The addresses to which callers connect, sorted, none twice: where transparent capture looks out for them. Empty with
    /// explicit capture, which goes by names.
    pub addresses: Vec<SocketAddr>,
    /// How certain it is that this is HTTP.
    pub certainty: Certainty,
    /// Where copies go, in order; empty while mirroring is switched off or its targets are missing.
    pub mirrors: Vec<Mirror>,
}

/// A Service whose requests a sidecar handles.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Destination {
    /// The Service.
    pub service: Namespaced,
    /// Its virtual addresses.
    pub cluster_ips: Vec<IpAddr>,
    /// Whether callers of this group are in its namespace, and so may use its name alone.
    pub local: bool,
    /// The port of a request that names none: 80, or else the Service's first HTTP port. `None` if port 80 is there and is
    /// not HTTP: such a request is meant for it.
    pub default_port: Option<NonZeroU16>,
    /// Its HTTP ports, in the Service's order.
    pub ports: Vec<DestinationPort>,
}

/// Sidecars that get the same configuration: it is made and encoded once for all of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Group {
    /// How the sidecar gets hold of its application's requests.
    pub capture: Capture,
    /// The destinations it handles, sorted by name. All other traffic passes through, but for what is in quarantine.
    pub destinations: Vec<Destination>,
    /// What it refuses to its application, if that only receives copies.
    pub quarantine: Option<Quarantine>,
}

/// Names a [`Group`]. It depends on which rules apply and not on what they say, so that it outlives a change of a share.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(Arc<str>);

impl GroupId {
    /// An identifier; equal texts name the same group.
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        Self(id.into())
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Everything that is to be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// The group of each workload and each Pod, by `namespace/name`; a Pod precedes a workload of its name.
    pub nodes: Arc<BTreeMap<Namespaced, GroupId>>,
    /// The groups, `fallback` included.
    pub groups: BTreeMap<GroupId, Arc<Group>>,
    /// The group of sidecars that belong to no known workload: nothing is mirrored for them.
    pub fallback: GroupId,
}

impl Model {
    /// The group of a node.
    pub fn group_of(&self, node: &Namespaced) -> &GroupId {
        self.nodes.get(node).unwrap_or(&self.fallback)
    }
}
