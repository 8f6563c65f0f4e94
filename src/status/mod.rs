//! What the control plane says about objects of the Kubernetes API: their `status`, and events. A sink: nothing reads it, but
//! for what all replicas have to know and no object says: how a ramp has gone, and that a budget was exceeded.
//!
//! ```text
//! Facts, sidecars ─► wanted ─► change ─► writer ─► API server
//!   │      hear ─────┘ pure      pure      if the lease is ours
//!   └─► tally ─► tell ─► API server        if it is not
//! ```
//!
//! Replicas share nothing but the Kubernetes API. The leader adds what the others tell of their sidecars to what it sees of
//! its own.
//!
//! | File | Idea |
//! |---|---|
//! | `facts` | what the control plane knows at a moment; how far each rule is |
//! | `selection` | what a PluginChain comes to |
//! | `kind` | the kinds that have a status |
//! | `concern` | which condition a diagnostic is about |
//! | `wanted` | what the status of every object is to be |
//! | `ramp` | how far a ramp is, when it began, and what it waits for |
//! | `budget` | that a budget was exceeded, in words |
//! | `change` | the patch to that, and which conditions turned |
//! | `lease` | who of several control planes writes |
//! | `tally` | what the sidecars of one replica have, and the sum |
//! | `note` | the object by which a replica tells it |
//! | `tell` | writes that object |
//! | `heard` | which replicas still count |
//! | `hear` | reads what they tell |
//! | `turn` | whose status is written next, and who waits after a refusal |
//! | `writer` | reads and writes statuses, tells events |
//! | `run` | when; and what is left alone |
//! | `counts` | what is counted of that |

mod budget;
mod change;
mod concern;
mod counts;
mod facts;
mod hear;
mod heard;
mod kind;
mod lease;
mod note;
mod ramp;
mod run;
#[cfg(test)]
mod scripted;
mod selection;
mod tally;
mod tally_text;
mod tell;
mod turn;
mod wanted;
mod writer;

pub use counts::Counts;
pub use facts::Facts;
pub use note::Owner;
pub use run::{Settings, run};
