//! The whole thing: objects in a folder, control plane, sidecar, services and a caller.
//!
//! Each claim is made about a real Envoy and about the shim, over both variants of the protocol.

mod faults;
mod files;
mod golden;
mod hosts;
mod live;
mod primary;
mod restart;
mod rig;
mod share;
