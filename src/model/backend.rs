//! Where requests go.

use std::net::SocketAddr;
use std::num::NonZeroU16;

use super::Subset;
use crate::name::Namespaced;

/// What a backend speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 without TLS, as gRPC has it.
    Http2,
}

/// One port of a Service, or of some of its Pods, with the endpoints that are ready behind it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Backend {
    /// The Service.
    pub service: Namespaced,
    /// The port of the Service (not of its Pods).
    pub port: NonZeroU16,
    /// Which of its Pods.
    pub subset: Subset,
    /// What it speaks.
    pub protocol: Protocol,
    /// The ready endpoints, sorted, none twice; may be empty.
    pub endpoints: Vec<SocketAddr>,
}
