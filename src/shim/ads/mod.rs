//! The client side of ADS.
//!
//! [`sotw`] and [`delta`] are the protocol as state: they are given responses and yield requests. [`client`] is the only
//! I/O. What a resource means is decided elsewhere: a session is told which resources were rejected, and which names are
//! wanted next.

pub(super) mod client;
pub(super) mod connect;
mod delta;
mod sotw;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bytes::Bytes;

use crate::proto::envoy::config::core::v3::Node;
use crate::proto::google::rpc::Status;

/// A resource type, in the order in which subscriptions are sent: as Envoy does it, so that an answer finds what it
/// refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// RTDS.
    Runtime,
    /// CDS.
    Cluster,
    /// EDS.
    Endpoint,
    /// LDS.
    Listener,
    /// RDS.
    Route,
}

impl Kind {
    /// All types, in the order of subscription.
    pub const ALL: [Self; 5] = [
        Self::Runtime,
        Self::Cluster,
        Self::Endpoint,
        Self::Listener,
        Self::Route,
    ];

    /// The type URL on the wire.
    pub fn type_url(self) -> &'static str {
        match self {
            Self::Runtime => "type.googleapis.com/envoy.service.runtime.v3.Runtime",
            Self::Cluster => "type.googleapis.com/envoy.config.cluster.v3.Cluster",
            Self::Endpoint => "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
            Self::Listener => "type.googleapis.com/envoy.config.listener.v3.Listener",
            Self::Route => "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
        }
    }

    fn from_type_url(url: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.type_url() == url)
    }

    /// Whether everything is subscribed to without naming it, and a response of the state of the world holds it all.
    pub(super) fn is_wildcard(self) -> bool {
        matches!(self, Self::Cluster | Self::Listener)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.type_url().rsplit('.').next().unwrap_or_default())
    }
}

/// The names that are wanted now, for the types that are subscribed to by name.
pub(super) type Wanted = BTreeMap<Kind, BTreeSet<String>>;

/// What one response says.
#[derive(Debug)]
pub(super) struct Update {
    pub(super) kind: Kind,
    pub(super) resources: Vec<Received>,
    pub(super) removed: Removed,
}

/// One encoded resource.
#[derive(Debug)]
pub(super) struct Received {
    /// Known in the incremental variant only; in the other one it stands in the resource.
    pub(super) name: Option<String>,
    pub(super) type_url: String,
    pub(super) body: Bytes,
}

/// Which resources are gone.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Removed {
    /// All that the update does not have.
    Others,
    /// These.
    Names(Vec<String>),
}

/// What became of an update.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Names of rejected resources. A resource whose name could not be read is missing here.
    pub(super) rejected: BTreeSet<String>,
    /// What is wrong with the first of them; `None` accepts the update.
    pub(super) error: Option<String>,
}

impl Outcome {
    fn status(&self) -> Option<Status> {
        self.error.as_ref().map(|message| Status {
            // INVALID_ARGUMENT.
            code: 3,
            message: message.clone(),
            details: Vec::new(),
        })
    }
}

/// One variant of the protocol. What a session knows outlives the stream, so that a new stream starts where the last one
/// ended.
pub(super) trait Session: Send {
    /// What is sent.
    type Request: Send + 'static;
    /// What is received.
    type Response: Send + 'static;

    /// A new stream: everything is asked for again, with what is held already. Only the first request has the node.
    fn start(&mut self, node: &Node, wanted: &Wanted) -> Vec<Self::Request>;

    /// A response. `None` if it is of a type that was never asked for.
    fn receive(&mut self, response: Self::Response) -> Option<Update>;

    /// The answer to the last received response, and requests for what is wanted since.
    fn answer(&mut self, kind: Kind, outcome: &Outcome, wanted: &Wanted) -> Vec<Self::Request>;
}

static NONE: BTreeSet<String> = BTreeSet::new();

fn names(wanted: &Wanted, kind: Kind) -> &BTreeSet<String> {
    wanted.get(&kind).unwrap_or(&NONE)
}
