//! What a sidecar starts with. Knows where the control plane is, and nothing of what it will say.

mod bootstrap;
pub mod inject;
mod security;
mod token_file;

pub use bootstrap::{Bootstrap, ControlPlane, Delivery, NotAnAddress};
pub use security::{Credential, Identity, NotAToken, Tls, Token};
pub use token_file::TokenFile;
