//! Who may connect, and what is told to whom: TLS, certificates and tokens, on the wire.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod admission;
mod authority;
mod disclosure;
mod refusals;
mod reports;
mod reviewer;
mod reviews;
mod rig;
mod rotation;
