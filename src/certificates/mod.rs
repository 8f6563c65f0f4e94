//! The certificates of the control plane when nobody else provides any: a CA of its own, and the certificate that it
//! serves with, in a Secret that all replicas share.
//!
//! | File | Idea |
//! |---|---|
//! | `issue` | keys and certificates |
//! | `held` | what the Secret holds |
//! | `plan` | what it holds, and the time → what is to be done |
//! | `secret` | reading and writing it: the first replica wins, the others take what is there |
//! | `webhooks` | telling the API server which CA to trust |
//! | `run` | all of that, again and again |
//!
//! # Invariants
//!
//! * A CA is in the bundle long before it signs, and stays until it expires: sidecars have the bundle of the day on which
//!   their Pod was made.
//! * What cannot be read is never overwritten.

mod held;
mod issue;
mod plan;
mod run;
mod secret;
mod webhooks;

pub use held::{Broken, Held, Leaf, Provided, Signed, read};
pub use issue::{Authority, IssueError, Lives};
pub use plan::{Step, due, renewed};
pub use run::{Material, Settings, follow_tls, run};
