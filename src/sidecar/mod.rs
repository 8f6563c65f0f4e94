//! What a sidecar starts with. Knows where the control plane is, and nothing of what it will say.

mod bootstrap;

pub use bootstrap::{Bootstrap, ControlPlane, Delivery, NotAnAddress};
