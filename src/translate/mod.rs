//! What a group is told, in Envoy's words: pure, infallible, the same messages for the same group.
//!
//! Given a group of the model, yields the messages of its sidecars; knows nothing of how they are encoded or sent.
//!
//! ```text
//! listener `outbound` ─► routes `outbound` ─┬─► NS/SVC|PORT ───────────────┬─► endpoints NS/SVC|PORT
//!   (forward proxy)        (by Host)        ├─► shadow|RULE|NS/SVC|PORT ───┘
//!                                           └─► passthrough (by DNS)
//! ```
//!
//! That is explicit capture; [`captured`] shows the transparent one.
//!
//! Two things are held to throughout. *The caller sees what it would see without a sidecar*: no limit, no timeout and no
//! header is added on its path. *A shadow is a guest*: what it may use is small, and what could make the caller
//! wait for it is not copied.
//!
//! A protobuf map is encoded in random order by the `envoy-types` messages, and a version is a hash of the encoding: no
//! map in them holds more than one entry.

mod access_log;
mod body;
mod captured;
mod cases;
mod cluster;
mod condition;
mod cookie;
mod copy;
mod endpoint;
mod external;
mod framing;
pub mod hosts;
mod latency;
mod listener;
pub mod names;
mod passthrough;
mod policy;
mod quarantine;
mod route;
mod runtime;
mod script;
mod selection;
mod sticky;
mod tls;
mod trace;
mod unaltered;
mod values;

#[cfg(test)]
mod tests;

use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::endpoint::v3::ClusterLoadAssignment;
use envoy_types::pb::envoy::config::listener::v3::Listener;

use crate::model::{Capture, Group};
use crate::proto::envoy::service::runtime::v3::Runtime;

pub use route::Routes;

/// The messages of one group; each list is sorted by name, and no name is in it twice.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resources<'g> {
    /// Where requests and copies go.
    pub clusters: Vec<Cluster>,
    /// The endpoints of the clusters.
    pub endpoints: Vec<ClusterLoadAssignment>,
    /// Where the sidecar listens.
    pub listeners: Vec<Listener>,
    /// Which request goes where, and is copied whereto.
    pub routes: Vec<Routes<'g>>,
    /// How many requests are copied.
    pub runtimes: Vec<Runtime>,
}

/// The messages of a group.
pub fn translate(group: &Group) -> Resources<'_> {
    let (listeners, routes) = match group.capture {
        Capture::Explicit(at) => (
            vec![listener::forward_proxy(at, group)],
            vec![route::by_host(group, at.port())],
        ),
        Capture::Transparent => (captured::listeners(group), route::by_port(group)),
    };
    Resources {
        clusters: cluster::clusters(group),
        endpoints: endpoints(group),
        listeners,
        routes,
        runtimes: runtimes(group),
    }
}

/// The endpoints of a group alone. Which there are, and what else there is, does not depend on which are ready.
pub fn endpoints(group: &Group) -> Vec<ClusterLoadAssignment> {
    endpoint::endpoints(group)
}

/// The runtime values of a group alone. Nothing else depends on its shares.
pub fn runtimes(group: &Group) -> Vec<Runtime> {
    vec![runtime::runtime(group)]
}
