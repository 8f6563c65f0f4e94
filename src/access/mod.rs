//! Who a client is, and which nodes it may speak for. Values only, but for `reviews`: no connection, no protocol.
//!
//! | File | Idea |
//! |---|---|
//! | `claim` | the nodes that a credential stands for; the rule for certificates |
//! | `tokens` | the file of bearer tokens |
//! | `verdict` | what a review by the Kubernetes API says of a service account's token |
//! | `reviews` | those reviews, remembered and few at a time: the only I/O |
//! | `authentication` | from what a client shows to what it may claim, or to a refusal |
//! | `refusal` | why a client is told nothing |

mod authentication;
mod claim;
mod refusal;
mod reviews;
mod tokens;
mod verdict;

pub(crate) use authentication::Decision;
pub use authentication::{Authentication, Claims};
pub use claim::{Claim, NotAClaim};
pub use refusal::{Refusal, Refused};
pub use reviews::Reviews;
pub use tokens::Tokens;
