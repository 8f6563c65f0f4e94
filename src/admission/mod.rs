//! What the Kubernetes API asks before it keeps an object: may it be so, and what is to be added to it?
//!
//! | File | Idea |
//! |---|---|
//! | `listen` | the socket: TLS, an end in order |
//! | `seats` | how many connections there may be, of all and of one peer |
//! | `attend` | one connection: how long it may be quiet |
//! | `body` | a question is read, as far as there is room |
//! | `answer` | a path and a body → a status and a body |
//! | `review` | the form of questions and answers |
//! | `mutate` | a Pod → a sidecar |
//! | `validate` | an object and the world → what is wrong with it |
//! | `home` | the namespace of a Pod, asked for each time |
//! | `stats` | what is counted |
//!
//! # Invariants
//!
//! * What concerns other objects is never a reason to refuse: the order in which objects are applied does not matter.
//! * What cannot be decided is an error, never a yes or a no: the webhook's `failurePolicy` says what follows.
//! * Nothing is written, so that a dry run is one.

mod answer;
mod attend;
mod body;
mod home;
mod listen;
mod mutate;
mod review;
mod seats;
mod stats;
mod validate;

pub use home::Homes;
pub use listen::{Webhook, run};
pub use stats::Stats;
pub use validate::{Verdict, validate};
