//! The only input: objects, from a folder of files.
//!
//! A source yields whole states of the world, never changes: the later stages compare.
//!
//! ```text
//! walk ─► folder ─► parse ─► yaml ─► header, decode ─► entry ─► Objects, Report
//! files    bytes    documents  values                objects
//! ```
//!
//! What cannot be read any more stays as it was last valid, and is reported with its place.

mod debounce;
mod decode;
mod documents;
mod entry;
mod filing;
mod folder;
mod header;
mod kind;
mod objects;
mod parse;
mod stamp;
mod unknown_kind;
mod unread;
mod walk;
mod watch;
mod yaml;

pub use documents::documents;
pub use folder::{Folder, open, read};
pub use objects::{Objects, Sourced, WorkloadKind};
pub use watch::run;
