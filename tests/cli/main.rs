//! The command as a user meets it: output, exit codes, diagnostics with their places.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod check;
mod cluster;
mod command;
mod config_mistakes;
mod definitions;
mod inject;
mod mistaken_copies;
mod mistakes;
mod offline;
mod stop;
