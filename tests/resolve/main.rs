//! What objects come to: the model that is served, and what is said about it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod brakes;
mod circles;
mod compatibility;
mod crowded;
mod diagnostics;
mod generated;
mod graph;
mod identity;
mod parts;
mod ports;
mod properties;
mod quarantine;
mod stops;
mod subsets;
mod world;
