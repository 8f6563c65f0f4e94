//! The only input: objects, from a folder of files or from the Kubernetes API.
//!
//! A source yields whole states of the world, never changes: the later stages compare.
//!
//! ```text
//! walk ─► folder ─► parse ─► yaml ─► header, decode ─► entry ─► Objects, Report
//! files    bytes    documents  values                objects
//! ```
//!
//! [`kubernetes`] has its own way to the same objects, and decodes and reports them as a folder's.
//!
//! What cannot be read any more stays as it was last valid, and is reported with its place.

mod by_kind;
mod checked;
mod debounce;
mod decode;
mod documents;
mod entry;
mod filing;
mod folder;
mod follow;
mod header;
mod kind;
pub mod kubernetes;
mod objects;
mod parse;
mod single;
mod stamp;
mod stop;
mod table;
mod unknown_kind;
mod unread;
mod walk;
mod watch;
mod yaml;

pub(crate) use decode::{UnknownField, WrongField, decode};
pub use documents::documents;
pub use folder::{Folder, open, read};
pub use follow::Source;
pub use objects::{Objects, Sourced, State, WorkloadKind};
pub use single::{Single, single};
pub use table::Table;
pub use watch::run;
