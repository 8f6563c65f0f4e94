//! Who a client is, and which nodes it may speak for. Values only: no connection, no protocol.
//!
//! | File | Idea |
//! |---|---|
//! | `claim` | the nodes that a credential stands for; the rule for certificates |
//! | `tokens` | the file of bearer tokens |
//! | `authentication` | from what a client shows to what it may claim, or to a refusal |

mod authentication;
mod claim;
mod tokens;

pub use authentication::{Authentication, Claims, Refusal};
pub use claim::{Claim, NotAClaim};
pub use tokens::Tokens;
