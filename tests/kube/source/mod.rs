//! A control plane that reads the Kubernetes API.

mod life;
mod mesh;
mod objects;
mod plane;
mod rights;
