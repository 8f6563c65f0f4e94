//! What an operator sees of a running control plane: over HTTP, and with `mirrorplane status`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod canary;
mod client;
mod health;
mod log;
#[cfg(target_os = "linux")]
mod memory;
mod metrics;
mod nodes;
mod plane;
mod serve;
mod status;
mod wire;
