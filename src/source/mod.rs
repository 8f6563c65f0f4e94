//! The only input: objects, from a folder of files.
//!
//! A source yields whole states of the world, never changes: the later stages compare.

mod objects;

pub use objects::{Objects, Sourced, WorkloadKind};
