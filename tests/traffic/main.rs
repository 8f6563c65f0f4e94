//! The whole thing: objects in a folder, control plane, sidecar, services and a caller.
//!
//! Each claim is made about a real Envoy and about the shim, over both variants of the protocol.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stderr, reason = "figures, and the logs of what failed")]

#[path = "../access/authority.rs"]
mod authority;
mod budget;
mod canary;
mod churn;
mod circle;
mod copies;
mod faults;
mod files;
mod framing;
mod gate;
mod golden;
mod hosts;
mod limits;
mod live;
mod outside;
mod primary;
mod quarantine;
mod ramp;
mod rate;
mod restart;
#[expect(dead_code, reason = "the tests of hazards use the rest")]
mod rig;
mod secure;
mod selection;
mod share;
mod sticky;
mod stop;
mod subset;
mod target_tls;
mod tracing;
