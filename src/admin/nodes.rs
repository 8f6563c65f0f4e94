//! `/nodes` as a document: the server writes it, `mirrorplane status` reads it.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::Deserialize;
use serde::Serialize;

use crate::rollout::Stage;
use crate::rollout::Status;
use crate::server::Delivery;
use crate::server::Event;
use crate::server::Progress;
use crate::server::Sidecar;
use crate::snapshot::Instance;

/// Everything that is connected.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeList {
    /// Number of the configuration that is served; 0 before the first.
    pub generation: u64,
    /// One entry for each stream of a sidecar, in the order of the nodes' ids.
    pub nodes: Vec<Node>,
    /// Changes that are not everywhere: being tried by a few sidecars, or stopped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rollouts: Vec<RollOut>,
}

/// A change that is not everywhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollOut {
    /// The group whose sidecars are to have it.
    pub group: String,
    /// How it goes.
    pub state: RollOutState,
    /// How many connected sidecars it reached for when it began.
    pub sidecars: usize,
    /// Those that try it, or did: `NAMESPACE/NAME`.
    pub canaries: Vec<String>,
    /// What changes: the type and the name of each resource.
    pub changes: Vec<(String, String)>,
    /// Who rejected it, the type, and why in the sidecar's words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rejections: Vec<(String, String, String)>,
}

/// How far a change is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RollOutState {
    /// Canaries have it, the others wait.
    Trying,
    /// Canaries rejected it: nobody is sent it until it changes.
    Rejected,
    /// All canaries were gone before they answered: nobody is sent it until it changes.
    Lost,
}

/// A connected sidecar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// `NAMESPACE/NAME`, or what else it says as its `node.id`.
    pub id: String,
    /// The worst state of its types.
    pub state: State,
    /// The group whose configuration it is sent; absent before there is any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// `IP:PORT` where it connects from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// `sotw` or `delta`.
    pub variant: String,
    /// What it calls itself; may be empty.
    pub user_agent: String,
    /// The version of that; may be empty.
    pub user_agent_version: String,
    /// Since when, in RFC 3339.
    pub connected_since: String,
    /// The types it asked for: `cds`, `eds`, `lds`, `rds`, `rtds`.
    pub types: BTreeMap<String, TypeState>,
}

/// Whether a sidecar has the newest configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It has, and has accepted it.
    InSync,
    /// Something is still to be sent, or to be answered.
    Pending,
    /// It rejected a part of it.
    Rejected,
}

/// How far the delivery of a type is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeState {
    /// In short.
    pub state: State,
    /// The last response. Absent if the sidecar came with what it is to have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<Versioned>,
    /// The last response that was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acked: Option<Versioned>,
    /// The last response that was rejected, even if a later one was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nacked: Option<Rejected>,
}

/// Something that happened to a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versioned {
    /// As an Envoy shows it in its configuration dump.
    pub version: String,
    /// When, in RFC 3339.
    pub time: String,
}

/// A rejection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// As an Envoy shows it; empty if it is not known any more.
    pub version: String,
    /// When, in RFC 3339.
    pub time: String,
    /// Why, in the sidecar's words, cut to 300 characters.
    pub message: String,
}

impl NodeList {
    /// The document of these sidecars and roll-outs.
    pub fn new(generation: u64, sidecars: Vec<Sidecar>, rollouts: Vec<Status>) -> Self {
        Self {
            generation,
            nodes: sidecars.into_iter().map(Node::from).collect(),
            rollouts: rollouts.into_iter().map(RollOut::from).collect(),
        }
    }
}

impl From<Status> for RollOut {
    fn from(rollout: Status) -> Self {
        let name = |sidecar: &Instance| sidecar.node.to_string();
        let changes = rollout.changes.iter();
        let (state, rejections) = match &rollout.stage {
            Stage::Trying => (RollOutState::Trying, &[][..]),
            Stage::Rejected(rejections) => (RollOutState::Rejected, &rejections[..]),
            Stage::Lost => (RollOutState::Lost, &[][..]),
        };
        let rejections = rejections.iter().map(|one| {
            let ty = one.ty.short_name().to_owned();
            (name(&one.sidecar), ty, one.message.clone())
        });
        Self {
            group: rollout.group.to_string(),
            state,
            sidecars: rollout.sidecars,
            canaries: rollout.canaries.iter().map(name).collect(),
            changes: changes
                .map(|(ty, resource)| (ty.short_name().to_owned(), resource.to_string()))
                .collect(),
            rejections: rejections.collect(),
        }
    }
}

impl From<Sidecar> for Node {
    fn from(sidecar: Sidecar) -> Self {
        let types = sidecar.types.iter();
        Self {
            id: sidecar.node.to_string(),
            state: sidecar.progress().into(),
            group: sidecar.group.as_ref().map(ToString::to_string),
            peer: sidecar.peer.map(|peer| peer.to_string()),
            variant: sidecar.variant.as_str().to_owned(),
            user_agent: sidecar.agent.to_string(),
            user_agent_version: sidecar.agent_version.to_string(),
            connected_since: rfc3339(sidecar.since),
            types: types
                .map(|(ty, delivery)| (ty.short_name().to_owned(), delivery.into()))
                .collect(),
        }
    }
}

impl From<Progress> for State {
    fn from(progress: Progress) -> Self {
        match progress {
            Progress::InSync => Self::InSync,
            Progress::Pending => Self::Pending,
            Progress::Rejected => Self::Rejected,
        }
    }
}

impl From<&Delivery> for TypeState {
    fn from(delivery: &Delivery) -> Self {
        Self {
            state: delivery.progress.into(),
            sent: delivery.sent.as_ref().map(Versioned::from),
            acked: delivery.acked.as_ref().map(Versioned::from),
            nacked: delivery.nacked.as_ref().map(|nacked| Rejected {
                version: nacked.event.version.to_string(),
                time: rfc3339(nacked.event.time),
                message: nacked.message.clone(),
            }),
        }
    }
}

impl From<&Event> for Versioned {
    fn from(event: &Event) -> Self {
        Self {
            version: event.version.to_string(),
            time: rfc3339(event.time),
        }
    }
}

/// As JSON and Kubernetes write times.
fn rfc3339(time: SystemTime) -> String {
    prost_types::Timestamp::from(time).to_string()
}
