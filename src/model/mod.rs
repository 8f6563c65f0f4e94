//! What is mirrored, for whom and where to: the middle of the pipeline.
//!
//! No Kubernetes type and no Envoy type appears here, and no state that makes no sense can be written down: a port is
//! not 0, a share is between nothing and everything, a mirror has a target that exists.

mod backend;
mod changes;
mod fraction;
mod group;

pub use backend::{Backend, Protocol};
pub use changes::Changes;
pub use fraction::Fraction;
pub use group::{Destination, DestinationPort, Group, GroupId, Mirror, Model};
