//! Everything that is said to the user about their configuration.
//!
//! A [`Diagnostic`] is one value with several outlets: the text, JSON and YAML of `check`, and the log of `serve`. It knows where the trouble stands (file, line, column; object; field path), what happens instead and what
//! to do. Every problem has a stable [`Code`].

mod code;
mod document;
mod nearest;
mod origin;
mod outline;
mod path;
mod render;
mod report;

pub use code::{Code, Severity};
pub use document::Document;
pub(crate) use nearest::nearest;
pub use origin::{ObjectRef, Origin, Place};
pub use path::{FieldPath, Segment};
pub use render::Coloured;
pub use report::{Diagnostic, Report};
