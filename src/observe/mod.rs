//! Whether copies fare well: what sidecars report, against the budget of each rule.
//!
//! ```text
//! server::Loads ─► run ─► window ─► guard ─► Findings ─► pipeline: a share of nothing
//!  counters       clock    pure      pure
//! ```
//!
//! The one way back from the sidecars to what they are told. It is narrow on purpose: it may say of a rule that nothing more
//! is to be copied, how small its share has to be, and that its ramp is to wait; nothing else. A replica judges by the sidecars that are connected to it; where there are several, one
//! that finds a budget exceeded is enough for all of them, who hear of it by the status of the object.

mod governor;
mod guard;
mod keeper;
mod rate;
mod rounded;
mod run;
mod window;

pub use governor::{Governor, loads};
pub use guard::judge;
pub use keeper::{Keeper, verdict};
pub use rate::{PACE, next};
pub use run::{Watching, run, wanted};
pub use window::{Outcomes, Window};
