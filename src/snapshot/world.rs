//! Snapshots, and which node gets which.

mod beside;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;

use super::ResourceType;
use crate::model::GroupId;

/// A version that is the content: equal resources have equal versions, on every stream, replica and restart.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(Arc<str>);

impl Version {
    /// The version of some encoded content: 11 characters, for every response of a share holds one or two. What it is
    /// compared with is another generation of the same resource, so that 64 bits are plenty.
    pub fn of(content: &[u8]) -> Self {
        let hash = xxhash_rust::xxh3::xxh3_64(content);
        Self(URL_SAFE_NO_PAD.encode(hash.to_be_bytes()).into())
    }

    /// A version of someone's choice. That it stands for one content only is then theirs to see to.
    pub fn chosen(text: &str) -> Self {
        Self(text.into())
    }

    /// As it is on the wire, shared.
    pub fn text(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }

    /// As it is on the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One encoded resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// Hash of `body`.
    pub version: Version,
    /// The encoded message; its type is known from where it stands.
    pub body: Bytes,
}

/// All resources of a node group, by type and name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Shared with the snapshot before if it is the same: most changes are of one type.
    resources: BTreeMap<ResourceType, Arc<BTreeMap<Arc<str>, Resource>>>,
    versions: BTreeMap<ResourceType, Version>,
}

static NOTHING: BTreeMap<Arc<str>, Resource> = BTreeMap::new();

impl Snapshot {
    /// A snapshot of these resources.
    pub fn new(resources: BTreeMap<ResourceType, BTreeMap<Arc<str>, Resource>>) -> Self {
        let shared = resources.into_iter().map(|(ty, all)| (ty, Arc::new(all)));
        Self {
            resources: shared.collect(),
            versions: BTreeMap::new(),
        }
    }

    /// The same snapshot with other resources of a type.
    pub(crate) fn with(mut self, ty: ResourceType, all: BTreeMap<Arc<str>, Resource>) -> Self {
        self.resources.insert(ty, Arc::new(all));
        self
    }

    /// The same snapshot, which shares with the one before it all types that did not change.
    pub(crate) fn after(mut self, before: &Self) -> Self {
        for (ty, all) in &mut self.resources {
            if let Some(same) = before.resources.get(ty).filter(|same| *same == all) {
                *all = Arc::clone(same);
            }
        }
        self
    }

    /// Whether the resources of a type are known to be the same in both: it is not looked for.
    pub(crate) fn shares(&self, other: &Self, ty: ResourceType) -> bool {
        match (self.resources.get(&ty), other.resources.get(&ty)) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        }
    }

    /// The same resources, the versions of some types chosen and not computed from what a client sees.
    pub fn with_versions(self, versions: BTreeMap<ResourceType, Version>) -> Self {
        Self { versions, ..self }
    }

    /// The chosen versions: `version_info` and `system_version_info` of all responses of these types.
    pub fn versions(&self) -> &BTreeMap<ResourceType, Version> {
        &self.versions
    }

    /// The resources of a type, by name.
    pub fn of(&self, ty: ResourceType) -> &BTreeMap<Arc<str>, Resource> {
        self.resources.get(&ty).map_or(&NOTHING, Arc::as_ref)
    }
}

/// Everything that is served; each stream is told of its own part.
#[derive(Clone, Debug)]
pub struct World {
    /// The snapshot of each group. An unchanged group keeps its `Arc`.
    pub groups: BTreeMap<GroupId, Arc<Snapshot>>,
    /// The group of each node, by `node.id` as the client sends it; that of a workload is `namespace/name`.
    pub nodes: Arc<BTreeMap<Arc<str>, GroupId>>,
    /// The group of nodes that are not known.
    pub fallback: GroupId,
    /// Who is sent something else than its group for a while.
    pub exceptions: Exceptions,
}

/// Who is sent something else than its group, while a change is rolled out.
#[derive(Clone, Debug, Default)]
pub struct Exceptions {
    /// What nodes keep that belong to another group now, whose configuration is being tried.
    pub waiting: BTreeMap<Arc<str>, Arc<Snapshot>>,
    /// Those that try what is new for the others.
    pub canaries: BTreeMap<Instance, Canary>,
}

impl Exceptions {
    /// Whether everybody is sent what its group has.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.canaries.is_empty()
    }
}

/// One sidecar: replicas of a workload may give the same node id, and differ in where they connect from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instance {
    /// Its `node.id`.
    pub node: Arc<str>,
    /// Its end of the connection, if that is known.
    pub peer: Option<SocketAddr>,
}

/// What a sidecar tries for the others.
#[derive(Clone, Debug)]
pub struct Canary {
    /// What it is sent.
    pub snapshot: Arc<Snapshot>,
    /// The number of the trial that its verdict counts for.
    pub trial: u64,
}

impl World {
    /// The group whose snapshot a node is sent, exceptions aside: the fallback if the node or its group is not known.
    pub fn group_for(&self, node: &str) -> &GroupId {
        let group = self.nodes.get(node);
        let group = group.filter(|group| self.groups.contains_key(*group));
        group.unwrap_or(&self.fallback)
    }

    /// What a sidecar tries for others, if it does.
    pub fn canary(&self, node: &Arc<str>, peer: Option<SocketAddr>) -> Option<&Canary> {
        let canaries = &self.exceptions.canaries;
        if canaries.is_empty() {
            return None;
        }
        let node = Arc::clone(node);
        canaries.get(&Instance { node, peer })
    }

    /// The snapshot for a node, unless it tries another: that of the fallback group if the node is not known.
    pub fn snapshot_for(&self, node: &str) -> Arc<Snapshot> {
        if let Some(snapshot) = self.exceptions.waiting.get(node) {
            return Arc::clone(snapshot);
        }
        self.snapshot_of(self.nodes.get(node).unwrap_or(&self.fallback))
    }

    /// What the members of a group have, exceptions aside: the fallback's snapshot if the group has none.
    pub fn snapshot_of(&self, group: &GroupId) -> Arc<Snapshot> {
        let own = self.groups.get(group);
        let own = own.or_else(|| self.groups.get(&self.fallback));
        own.cloned().unwrap_or_default()
    }
}
