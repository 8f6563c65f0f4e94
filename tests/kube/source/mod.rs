//! A control plane that reads the Kubernetes API.

mod life;
pub(crate) mod mesh;
mod objects;
pub(crate) mod plane;
mod rights;
