//! What a sidecar starts with. Knows where the control plane is, and nothing of what it will say; and [`redirect`], by which
//! it gets what its application sends.

mod bootstrap;
pub mod inject;
mod ip_families;
pub mod redirect;
mod security;
mod token_file;
mod transparent;

pub use bootstrap::{Bootstrap, ControlPlane, Delivery, NotAnAddress};
pub use ip_families::IpFamilies;
pub use security::{Credential, Identity, NotAToken, Tls, Token};
pub use token_file::TokenFile;
