//! The `mirrorplane` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    mirrorplane::cli::main()
}
