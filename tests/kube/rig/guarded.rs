//! A program that ends with the test process, also if that is killed: a shell beside it waits on a pipe that only the
//! test process holds open.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const GUARD: &str = include_str!("guard.sh");

/// A running program; dropping it asks it to end, and waits until it has.
#[derive(Debug)]
pub(crate) struct Guarded {
    guard: Child,
    log: PathBuf,
}

impl Guarded {
    /// Starts a program, with its output in a file beside `folder`'s other files.
    ///
    /// With `removes` the folder goes when the program has ended.
    pub(crate) fn start<A: AsRef<OsStr>>(
        program: &Path,
        arguments: impl IntoIterator<Item = A>,
        folder: &Path,
        removes: Removes,
    ) -> Self {
        let name = program.file_name().unwrap().to_string_lossy();
        let log = folder.join(format!("{name}.log"));
        let output = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap();
        let guard = Command::new("sh")
            .args(["-c", GUARD, "guard"])
            .arg(match removes {
                Removes::Folder => folder.as_os_str(),
                Removes::Nothing => OsStr::new(""),
            })
            .arg(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            // A terminal's ctrl-c is for the test process alone: then everything ends in order.
            .process_group(0)
            .spawn()
            .unwrap();
        Self { guard, log }
    }

    /// Kills the program at once, as a fault would.
    pub(crate) fn kill(mut self) {
        let mut orders = self.guard.stdin.as_ref().unwrap();
        orders.write_all(b"kill\n").unwrap();
        self.end();
    }

    /// What it has printed.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    fn end(&mut self) {
        drop(self.guard.stdin.take());
        let ended = self.guard.wait();
        assert!(ended.is_ok() || std::thread::panicking(), "{ended:?}");
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.end();
    }
}

/// What the end of a program takes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Removes {
    /// The folder with its data and its log.
    Folder,
    /// Nothing.
    Nothing,
}
