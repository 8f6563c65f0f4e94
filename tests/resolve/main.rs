//! What objects come to: the model that is served, and what is said about it.

mod compatibility;
mod diagnostics;
mod identity;
mod properties;
mod world;
