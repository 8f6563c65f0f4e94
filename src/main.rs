//! The `mirrorplane` command.
fn main() {}
