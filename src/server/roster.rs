//! Who is connected: a way to look at each stream, for whoever asks.
//!
//! Nothing is written down while resources flow. A look takes the lock of that client alone, and waits while the stream is
//! being polled. The list is locked only when a client comes or goes, and to be copied; never during a look.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::SystemTime;

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::node::LONGEST;
use super::stream::Progress;
use super::stream::Variant;
use crate::model::GroupId;
use crate::snapshot::Instance;
use crate::snapshot::ResourceType;

/// A connected sidecar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sidecar {
    /// Its `node.id`, cut to 300 characters.
    pub node: Arc<str>,
    /// What it calls itself: `envoy`; empty if it does not say.
    pub agent: Arc<str>,
    /// The version of that; empty if it does not say.
    pub agent_version: Arc<str>,
    /// The variant of the protocol that it chose.
    pub variant: Variant,
    /// Where it connects from.
    pub peer: Option<SocketAddr>,
    /// When its stream told who it is.
    pub since: SystemTime,
    /// The group whose configuration it is sent; absent before there is any.
    pub group: Option<GroupId>,
    /// The types it asked for.
    pub types: BTreeMap<ResourceType, Delivery>,
}

/// How far the delivery of a type has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Whether the client has the newest configuration.
    pub progress: Progress,
    /// The last response.
    pub sent: Option<Event>,
    /// The last response that it accepted.
    pub acked: Option<Event>,
    /// The last response that it rejected, even if it has accepted a later one.
    pub nacked: Option<Rejection>,
}

/// Something that happened to a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// State of the world: `version_info`. Incremental: `system_version_info`.
    pub version: Arc<str>,
    /// When.
    pub time: SystemTime,
}

/// A rejection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// What was rejected; empty if so much was sent since that it is not known any more.
    pub event: Event,
    /// Why, in the client's words, cut to 300 characters.
    pub message: String,
}

impl Sidecar {
    /// The worst of its types.
    pub fn progress(&self) -> Progress {
        let all = self.types.values().map(|delivery| delivery.progress);
        all.max().unwrap_or(Progress::Pending)
    }
}

/// A connected sidecar, as far as it matters for whether it may try a configuration for others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// Which one.
    pub(crate) sidecar: Instance,
    /// What it calls itself, and the version of that.
    pub(crate) software: (Arc<str>, Arc<str>),
    /// What is known of it.
    pub(crate) record: Record,
}

/// What is known of a sidecar; the later, the worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Record {
    /// It has accepted all that it was sent.
    Settled,
    /// It has something to answer still.
    Busy,
    /// It has rejected something, and something better was sent since.
    Sensitive,
    /// It rejects a part of what it is to have now.
    Rejecting,
}

impl Record {
    fn of(sidecar: &Sidecar) -> Self {
        match sidecar.progress() {
            Progress::Rejected => Self::Rejecting,
            _ if sidecar.types.values().any(|ty| ty.nacked.is_some()) => Self::Sensitive,
            Progress::Pending => Self::Busy,
            Progress::InSync => Self::Settled,
        }
    }
}

/// Looks at a stream, unless it is just ending.
pub(super) type Look = Arc<dyn Fn() -> Option<Sidecar> + Send + Sync>;

type Looks = BTreeMap<Arc<str>, BTreeMap<u64, Look>>;

/// All clients that said who they are, by node and stream.
#[derive(Default)]
pub(super) struct Roster {
    looks: Mutex<(u64, Looks)>,
    nodes: Gauge,
}

impl fmt::Debug for Roster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Roster")
            .field("nodes", &self.nodes)
            .finish_non_exhaustive()
    }
}

impl Roster {
    /// Offers the number of nodes to a registry.
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "nodes_connected",
            "Sidecars that are connected now; several streams of one count as one",
            self.nodes.clone(),
        );
    }

    /// Adds a stream of a node, until the value is dropped.
    pub(super) fn join(self: &Arc<Self>, node: &Arc<str>, look: Look) -> Seat {
        let mut looks = lock(&self.looks);
        let (last, by_node) = &mut *looks;
        *last += 1;
        let stream = *last;
        let streams = by_node.entry(Arc::clone(node)).or_default();
        streams.insert(stream, look);
        self.count(by_node);
        Seat {
            roster: Arc::clone(self),
            node: Arc::clone(node),
            stream,
        }
    }

    fn leave(&self, node: &Arc<str>, stream: u64) {
        let mut looks = lock(&self.looks);
        let by_node = &mut looks.1;
        if let Some(streams) = by_node.get_mut(node) {
            streams.remove(&stream);
            if streams.is_empty() {
                by_node.remove(node);
            }
        }
        self.count(by_node);
    }

    fn count(&self, by_node: &Looks) {
        self.nodes
            .set(i64::try_from(by_node.len()).unwrap_or(i64::MAX));
    }

    /// Looks at some streams: the list is copied first, and not locked meanwhile.
    fn look(&self, choose: impl FnOnce(&Looks) -> Vec<Look>) -> impl Iterator<Item = Sidecar> {
        let looks = choose(&lock(&self.looks).1);
        looks.into_iter().filter_map(|look| look())
    }

    /// How many streams a sidecar has.
    pub(super) fn streams(&self, sidecar: &Instance) -> usize {
        let streams = self.look(|looks| {
            let streams = looks.get(&sidecar.node);
            streams.map_or_else(Vec::new, |all| all.values().cloned().collect())
        });
        streams.filter(|stream| stream.peer == sidecar.peer).count()
    }

    /// Who could try a configuration: every sidecar whose id is known in full.
    pub(super) fn crowd(&self) -> Vec<Member> {
        let streams = self.look(|looks| {
            let nodes = looks.iter().filter(|(id, _)| id.len() < LONGEST);
            nodes
                .flat_map(|(_, streams)| streams.values().cloned())
                .collect()
        });
        let mut members: BTreeMap<Instance, Member> = BTreeMap::new();
        for stream in streams {
            let sidecar = Instance {
                node: Arc::clone(&stream.node),
                peer: stream.peer,
            };
            let record = Record::of(&stream);
            members
                .entry(sidecar)
                .and_modify(|member| member.record = member.record.max(record))
                .or_insert_with_key(|sidecar| Member {
                    sidecar: sidecar.clone(),
                    software: (Arc::clone(&stream.agent), Arc::clone(&stream.agent_version)),
                    record,
                });
        }
        members.into_values().collect()
    }

    /// Every stream, in the order of the nodes' ids and of their streams.
    pub(super) fn list(&self) -> Vec<Sidecar> {
        let all = |looks: &Looks| {
            let streams = looks.values().flat_map(BTreeMap::values);
            streams.cloned().collect()
        };
        self.look(all).collect()
    }
}

/// The place of a client on the roster.
#[derive(Debug)]
pub(super) struct Seat {
    roster: Arc<Roster>,
    node: Arc<str>,
    stream: u64,
}

impl Seat {
    /// The sidecar that it is of, which connects from there.
    pub(super) fn instance(&self, peer: Option<SocketAddr>) -> Instance {
        let node = Arc::clone(&self.node);
        Instance { node, peer }
    }

    /// The number of the stream, which no other has.
    pub(super) fn stream(&self) -> u64 {
        self.stream
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.roster.leave(&self.node, self.stream);
    }
}

/// Nothing under this lock can panic half-way.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::time::SystemTime;

    use super::Look;
    use super::Roster;
    use super::Sidecar;
    use super::Variant;

    fn look(variant: Variant) -> Look {
        Arc::new(move || {
            Some(Sidecar {
                node: "curl/curl".into(),
                agent: "envoy".into(),
                agent_version: "1.40.0".into(),
                variant,
                peer: None,
                since: SystemTime::UNIX_EPOCH,
                group: None,
                types: BTreeMap::new(),
            })
        })
    }

    #[test]
    fn a_node_is_connected_until_its_last_stream_is_gone() {
        let roster = Arc::new(Roster::default());
        let node = "curl/curl".into();
        let first = roster.join(&node, look(Variant::Sotw));
        let second = roster.join(&node, look(Variant::Delta));
        let ending = roster.join(&node, Arc::new(|| None));
        let variants: Vec<_> = roster.list().iter().map(|s| s.variant).collect();
        assert_eq!(variants, [Variant::Sotw, Variant::Delta]);
        assert_eq!(roster.nodes.get(), 1);
        drop((first, ending));
        assert_eq!((roster.list().len(), roster.nodes.get()), (1, 1));
        drop(second);
        assert_eq!((roster.list().len(), roster.nodes.get()), (0, 0));
    }
}
