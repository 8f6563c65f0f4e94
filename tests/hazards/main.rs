//! What mirroring does to the live service on a proxy that is set up in the plain way, and what it does not do here.
//!
//! Each test has two parts. The *control* runs the plain configuration, which is written down in [`naive`], and sees the
//! harm come; so the harm is real, and the test would notice it. Then the same is done to a sidecar of this control plane,
//! and nothing happens. Times are judged only against the control, which is off by seconds.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stderr, reason = "figures, and the logs of what failed")]

mod crashes;
mod naive;
mod piling_up;
mod sampling;
mod silence;
mod stalls;
mod upstream_filters;

#[path = "../traffic/rig/mod.rs"]
#[expect(dead_code, reason = "the tests of traffic use the rest")]
mod rig;
