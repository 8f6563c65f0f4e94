//! The file source, on real files.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod any_input;
mod kubernetes;
mod last_good;
mod mesh;
mod places;
mod read;
mod watch;
