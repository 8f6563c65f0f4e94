//! What is served: resources encoded once, versioned by their content, shared by all streams of a node group.

mod resource_type;
mod world;

pub use resource_type::ResourceType;
pub use world::{Resource, Snapshot, Version, World};
