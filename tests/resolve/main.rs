//! What objects come to: the model that is served, and what is said about it.

mod compatibility;
mod diagnostics;
mod generated;
mod identity;
mod ports;
mod properties;
mod world;
