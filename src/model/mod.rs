//! What is mirrored, for whom and where to: the middle of the pipeline.
//!
//! No Kubernetes type and no Envoy type appears here, and no state that makes no sense can be written down: a port is
//! not 0, a share is between nothing and everything, a mirror has a target that exists.

mod backend;
mod budget;
mod capture;
mod changes;
mod copy;
mod fraction;
mod group;
mod mirror;
mod quarantine;
mod ramp;
mod selection;
mod subset;
mod target;

pub use backend::{Backend, Protocol};
pub use budget::{Blown, Budget, Findings, Rate, Watched};
pub use capture::{CAPTURE_PORT, Capture, NotACapture, READY_PORT, SIDECAR_PORTS};
pub use changes::Changes;
pub use copy::{CopyHost, CopyPolicy, Credentials, HeaderEdits, NewPath, Sampled};
pub use fraction::Fraction;
pub use group::{Certainty, Destination, DestinationPort, Group, GroupId, Model};
pub use mirror::{Limits, Mirror, Sticky, Terms};
pub use quarantine::{Bounds, Call, Quarantine, RefusedCalls, Strictness};
pub use ramp::{Brake, Gate, Gated, Ramp, RampStep, Verdict};
pub use selection::{Field, Selection, Text};
pub use subset::Subset;
pub use target::{External, ServerName, ServerTls, Target, Trust};
