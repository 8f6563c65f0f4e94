//! What a sidecar starts with. Knows where the control plane is, and nothing of what it will say.

mod bootstrap;
mod security;

pub use bootstrap::{Bootstrap, ControlPlane, Delivery, NotAnAddress};
pub use security::{Identity, NotAToken, Tls, Token};
