//! A change goes to a few sidecars first, and to the others once these have accepted it.
//!
//! ```text
//! watch: the world as it is to be ──┐
//! what canaries make of it ─────────┼─► run (the only clock) ─► machine ─► watch: the world as it is served
//! a timer ──────────────────────────┘                              └─► Board: what is tried, what was stopped
//! ```
//!
//! | File | Idea |
//! |---|---|
//! | `machine` | when a change is tried, goes on, is stopped: no I/O, no clock |
//! | `reach` | which sidecars a change reaches, and what it changes for them |
//! | `choice` | which of them try it |
//! | `hold` | what everyone else is served meanwhile |
//! | `run` | the loop around the machine |
//! | `status`, `board` | what is seen of it: one roll-out; all of them, with counters |
//! | `blame` | which rules a change comes from |
//! | `diagnose` | a roll-out that was stopped, as diagnostics of their objects |
//!
//! What is tried is a changed listener, route or cluster, with the endpoints of new clusters. Runtime values, and new
//! endpoints of what a sidecar has already, go to everyone at once, whatever is tried or was stopped: a mirror can be
//! switched off at any time, and requests find the live service where it is now.
//!
//! A group is compared by what its sidecars *have*, not by its name: a group is named after its rules, so that an added
//! rule makes another group of the same sidecars, and that is the change that has to be tried most.
//!
//! The stage is optional: whoever serves worlds of their own (see [`embed`](crate::embed)) puts [`run`](run()) between
//! the publisher and the server.

mod blame;
mod board;
mod choice;
mod diagnose;
mod hold;
mod machine;
mod reach;
mod run;
mod status;

#[cfg(test)]
mod interleavings;
#[cfg(test)]
mod machine_tests;
#[cfg(test)]
mod scene;

pub use blame::{Culprit, Lineage};
pub use board::{Board, Standing};
pub use diagnose::diagnose;
pub use run::run;
pub use status::{Rejection, Stage, Status};

use std::time::Duration;

/// How careful to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// A change that reaches more connected sidecars of a group than this is tried first. 0: none is.
    pub threshold: usize,
    /// How many sidecars try it; at least one, and never all that it reaches.
    pub canaries: usize,
    /// For how long their word is waited for.
    pub timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            threshold: 10,
            canaries: 2,
            timeout: Duration::from_secs(5),
        }
    }
}
