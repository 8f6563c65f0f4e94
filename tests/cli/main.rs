//! The command as a user meets it: output, exit codes, diagnostics with their places.

mod check;
mod command;
mod offline;
