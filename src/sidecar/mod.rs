//! What a sidecar starts with. Knows where the control plane is, and nothing of what it will say.

mod bootstrap;
mod ip_families;
mod security;
mod transparent;

pub use bootstrap::{Bootstrap, ControlPlane, Delivery, NotAnAddress};
pub use ip_families::IpFamilies;
pub use security::{Identity, NotAToken, Tls, Token};
