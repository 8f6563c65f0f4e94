//! What the control plane says about objects of the Kubernetes API: their `status`, and events. A sink: nothing reads it.
//!
//! ```text
//! Facts, sidecars ─► wanted ─► change ─► writer ─► API server
//!                    pure      pure      if the lease is ours
//! ```
//!
//! | File | Idea |
//! |---|---|
//! | `facts` | what the control plane knows at a moment; how far each rule is |
//! | `selection` | what a PluginChain comes to |
//! | `kind` | the kinds that have a status |
//! | `concern` | which condition a diagnostic is about |
//! | `wanted` | what the status of every object is to be |
//! | `change` | the patch to that, and which conditions turned |
//! | `lease` | who of several control planes writes |
//! | `writer` | reads and writes statuses, tells events |
//! | `run` | when; and what is left alone |

mod change;
mod concern;
mod facts;
mod kind;
mod lease;
mod run;
mod selection;
mod wanted;
mod writer;

pub use facts::Facts;
pub use run::{Counts, Settings, run};
