//! Puts faults into the server, one at a time, and sees that the tests find them: `cargo test --test mutations`.
//!
//! Not a part of `cargo test`: each fault is a build. The faults go into a copy of the tree under `target/mutations`,
//! with a target folder of its own, so that every build after the first is a small one; the tests of one fault run
//! while the next is built. Words after `--` choose the faults whose names contain one of them. Ends with 1 if a fault
//! survives.

#![expect(clippy::print_stdout, reason = "a program that reports")]
#![expect(clippy::unwrap_used, reason = "a check that cannot go on has failed")]

mod faults;
mod tree;

use std::collections::BTreeSet;
use std::env;
use std::process::ExitCode;
use std::thread;
use std::thread::JoinHandle;

use faults::FAULTS;
use faults::Fault;
use tree::Run;
use tree::Tree;

/// A fault whose tests are running.
struct Trial {
    fault: &'static Fault,
    run: JoinHandle<Run>,
}

impl Trial {
    /// Waits for the tests, and says what became of them; whether the fault was caught.
    fn judge(self) -> bool {
        let run = self.run.join().unwrap();
        let Fault {
            name,
            row,
            caught_by,
            ..
        } = self.fault;
        println!("{row:<4} {name:<56} {caught_by:<34} {run}");
        matches!(run, Run::Failed | Run::Hung)
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = env::args()
        .skip(1)
        .filter(|a| !a.starts_with('-'))
        .collect();
    let chosen =
        |fault: &&'static Fault| words.is_empty() || words.iter().any(|w| fault.name.contains(w));
    let faults: Vec<&'static Fault> = FAULTS.iter().filter(chosen).collect();
    let tree = Tree::copy();

    // A test that fails anyhow catches nothing.
    let sound = tree.build().unwrap_or_else(|message| panic!("{message}"));
    let filters: BTreeSet<_> = faults.iter().map(|fault| fault.caught_by).collect();
    let filters: Vec<_> = filters.into_iter().collect();
    assert_eq!(sound.run(&filters), Run::Passed, "without a fault");
    drop(sound);

    let mut caught = 0;
    let mut running: Option<Trial> = None;
    for fault in faults.iter().copied() {
        let spoiled = tree.spoil(fault);
        let built = tree.build();
        drop(spoiled);
        let before = running.take();
        match built {
            Ok(binary) => {
                let run = thread::spawn(move || binary.run(&[fault.caught_by]));
                running = Some(Trial { fault, run });
            }
            Err(message) => println!("{} does not build\n{message}", fault.name),
        }
        caught += usize::from(before.is_some_and(Trial::judge));
    }
    caught += usize::from(running.is_some_and(Trial::judge));
    println!("{caught} of {} caught", faults.len());
    match caught == faults.len() && caught > 0 {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
