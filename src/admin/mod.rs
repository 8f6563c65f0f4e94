//! What an operator asks the control plane over HTTP. Read only, and apart from the port that sidecars use.
//!
//! | Path | Answer |
//! |---|---|
//! | `/livez` | 200 as long as the process answers |
//! | `/readyz` | 200 while there is a configuration to serve and nobody asked the process to stop, else 503 and why |
//! | `/metrics` | every counter, in the text format of OpenMetrics |
//! | `/nodes` | every connected sidecar and what it has, as JSON: [`NodeList`] |
//!
//! Nothing here waits for a request or a push: an answer reads atomics, and looks at one stream at a time.

mod listener;
mod loads;
mod nodes;
mod page;

pub use listener::{meanwhile, serve};
pub use loads::Loads;
pub use nodes::{Node, NodeList, Rejected, RollOut, RollOutState, State, TypeState, Versioned};
pub use page::Pages;
