//! What a node does, for tests in which Pods run: network namespaces for them, their containers as processes, and the
//! addresses of Services.

mod network;
mod pod;
mod projected;
mod service;

pub(crate) use network::{Network, Node};
pub(crate) use pod::RunningPod;
pub(crate) use service::VirtualAddress;
