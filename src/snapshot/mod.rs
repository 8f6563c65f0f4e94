//! What is served: resources encoded once, versioned by their content, shared by all streams of a node group.

mod check;
mod encode;
mod json;
mod pool;
mod publish;
mod resource_type;
mod world;

#[cfg(test)]
mod adjust_tests;
#[cfg(test)]
mod tests;

pub use check::{Dangling, check};
pub use encode::encode;
pub use json::to_json;
pub use publish::{Built, build};
pub use resource_type::ResourceType;
pub use world::{Canary, Exceptions, Instance, Resource, Snapshot, Version, World};
