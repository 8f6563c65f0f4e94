//! Puts faults into the server, one at a time, and sees that the tests find them: `cargo test --test mutations`.
//!
//! Not a part of `cargo test`: each fault is a build. The faults go into a copy of the tree under `target/mutations`,
//! with a target folder of its own, so that every build after the first is a small one. Words after `--` choose the
//! faults whose names contain one of them. Ends with 1 if a fault survives.

#![expect(clippy::print_stdout, reason = "a program that reports")]
#![expect(clippy::unwrap_used, reason = "a check that cannot go on has failed")]

mod faults;
mod tree;

use std::collections::BTreeSet;
use std::env;
use std::process::ExitCode;

use faults::FAULTS;
use faults::Fault;
use tree::Run;
use tree::Tree;

fn main() -> ExitCode {
    let words: Vec<String> = env::args()
        .skip(1)
        .filter(|a| !a.starts_with('-'))
        .collect();
    let chosen = |fault: &&Fault| words.is_empty() || words.iter().any(|w| fault.name.contains(w));
    let faults: Vec<&Fault> = FAULTS.iter().filter(chosen).collect();
    let tree = Tree::copy();

    // A test that fails anyhow catches nothing.
    let filters: BTreeSet<_> = faults.iter().map(|fault| fault.caught_by).collect();
    tree.build().expect("the code builds without faults");
    for filter in filters {
        let run = tree.run(filter);
        assert_eq!(run, Run::Passed, "`{filter}` without a fault");
    }

    let mut survived = Vec::new();
    for fault in &faults {
        let spoiled = tree.spoil(fault);
        let verdict = match tree.build() {
            Err(message) => {
                survived.push(fault.name);
                format!("DOES NOT BUILD\n{message}")
            }
            Ok(()) => match tree.run(fault.caught_by) {
                Run::Failed => "caught".to_owned(),
                Run::Hung => "caught, it hangs".to_owned(),
                run @ (Run::Passed | Run::Empty) => {
                    survived.push(fault.name);
                    format!("SURVIVED ({run:?})")
                }
            },
        };
        drop(spoiled);
        println!(
            "{:<4} {:<44} {:<44} {verdict}",
            fault.row, fault.name, fault.caught_by
        );
    }
    println!(
        "{} of {} caught",
        faults.len() - survived.len(),
        faults.len()
    );
    match survived.is_empty() && !faults.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
