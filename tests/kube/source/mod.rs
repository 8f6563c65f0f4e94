//! A control plane that reads the Kubernetes API.

mod life;
pub(crate) mod mesh;
mod objects;
mod plane;
mod rights;
