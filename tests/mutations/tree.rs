//! A copy of the tree that may be spoiled.

use std::fmt;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use tempfile::NamedTempFile;
use tempfile::TempPath;
use tokio::time::Instant;

use crate::faults::Fault;

/// What belongs to the tree. The rest of the folder may be large.
const PARTS: &[&str] = &[
    "Cargo.toml",
    "Cargo.lock",
    "README.md",
    "benches",
    "build.rs",
    "deploy",
    "examples",
    "proto",
    "src",
    "tests",
];

/// The modules that the tests need: the server, and what it reads.
const MODULES: &[&str] = &[
    "access",
    "api",
    "diag",
    "embed",
    "model",
    "name",
    "proto",
    "reload",
    "rollout",
    "server",
    "snapshot",
    "source",
    "translate",
    "transport",
];

/// The binary that the tests are in.
const BINARY: &str = "conformance";

/// Longer than any test of it takes, all of them together.
const PATIENCE: Duration = Duration::from_secs(120);

/// What became of the tests that a filter chooses.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Run {
    Passed,
    Failed,
    /// They did not end in time.
    Hung,
    /// There are none.
    Empty,
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passed => "SURVIVED",
            Self::Failed => "caught",
            Self::Hung => "caught, it hangs",
            Self::Empty => "SURVIVED, there is no such test",
        })
    }
}

/// The copy.
pub(crate) struct Tree {
    root: PathBuf,
}

/// A file of the copy with a fault in it; dropping it repairs the file.
pub(crate) struct Spoiled {
    path: PathBuf,
    sound: String,
}

impl Drop for Spoiled {
    fn drop(&mut self) {
        fs::write(&self.path, &self.sound).unwrap();
    }
}

impl Tree {
    /// Makes the copy, or brings an older one up to date.
    pub(crate) fn copy() -> Self {
        let source = Path::new(env!("CARGO_MANIFEST_DIR"));
        let tree = Self {
            root: source.join("target/mutations/tree"),
        };
        for part in PARTS {
            synchronise(&source.join(part), &tree.root.join(part));
        }
        // The rest is not built for every fault anew.
        let lib = fs::read_to_string(source.join("src/lib.rs")).unwrap();
        let needed = |line: &&str| match line.strip_prefix("pub mod ") {
            Some(module) => MODULES.contains(&module.trim_end_matches(';')),
            None => true,
        };
        let lib: Vec<&str> = lib.lines().filter(needed).collect();
        put(&tree.root.join("src/lib.rs"), lib.join("\n").as_bytes());
        put(
            &tree.root.join("src/main.rs"),
            b"//! Nothing.\n\nfn main() {}\n",
        );
        tree
    }

    /// Puts a fault in.
    pub(crate) fn spoil(&self, fault: &Fault) -> Spoiled {
        let path = self.root.join(fault.file);
        let sound = fs::read_to_string(&path).unwrap();
        assert_eq!(sound.matches(fault.text).count(), 1, "{}", fault.name);
        fs::write(&path, sound.replace(fault.text, fault.becomes)).unwrap();
        Spoiled { path, sound }
    }

    /// Builds the tests; their binary, or the compiler's words if that fails.
    pub(crate) fn build(&self) -> Result<Binary, String> {
        let output = Command::new(env!("CARGO"))
            .current_dir(&self.root)
            .args(["test", "--quiet", "--offline", "--test", BINARY, "--no-run"])
            .arg("--message-format=json-render-diagnostics")
            .env("CARGO_TARGET_DIR", self.root.with_file_name("target"))
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .env("CARGO_INCREMENTAL", "1")
            .output()
            .unwrap();
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let text = String::from_utf8(output.stdout).unwrap();
        let mut binaries = text.lines().filter_map(|line| {
            let message: serde_json::Value = serde_json::from_str(line).ok()?;
            let of_tests = message["target"]["name"] == BINARY;
            let path = message["executable"].as_str().filter(|_| of_tests)?;
            Some(Binary::keep(path))
        });
        Ok(binaries.next().expect("a binary of tests"))
    }
}

/// A binary of tests that the next build does not replace; dropping it deletes it.
pub(crate) struct Binary {
    file: TempPath,
}

impl Binary {
    fn keep(built: &str) -> Self {
        let folder = Path::new(built).parent().unwrap();
        let file = NamedTempFile::new_in(folder).unwrap().into_temp_path();
        fs::copy(built, &file).unwrap();
        Self { file }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.file.as_os_str());
        command.stderr(Stdio::null());
        command
    }

    /// Runs the tests whose names contain one of these.
    pub(crate) fn run(&self, filters: &[&str]) -> Run {
        let listed = self.command().arg("--list").output().unwrap();
        let listed = String::from_utf8(listed.stdout).unwrap();
        if filters.iter().any(|filter| !listed.contains(filter)) {
            return Run::Empty;
        }
        let tests = self.command().args(filters).stdout(Stdio::null()).spawn();
        let mut child = tests.unwrap();
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(status) = child.try_wait().unwrap() {
                return match status.success() {
                    true => Run::Passed,
                    false => Run::Failed,
                };
            }
            sleep(Duration::from_millis(20));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        Run::Hung
    }
}

/// Makes one path like another. What is the same stays untouched, so that nothing is built for its sake.
fn synchronise(from: &Path, to: &Path) {
    if from.is_file() {
        put(to, &fs::read(from).unwrap());
        return;
    }
    fs::create_dir_all(to).unwrap();
    for old in fs::read_dir(to).unwrap() {
        let old = old.unwrap().path();
        if from.join(old.file_name().unwrap()).exists() {
            continue;
        }
        match old.is_dir() {
            true => fs::remove_dir_all(old).unwrap(),
            false => fs::remove_file(old).unwrap(),
        }
    }
    for entry in fs::read_dir(from).unwrap() {
        let name = entry.unwrap().file_name();
        synchronise(&from.join(&name), &to.join(&name));
    }
}

/// Writes a file, if it is not like that already.
fn put(path: &Path, content: &[u8]) {
    if fs::read(path).is_ok_and(|old| old == content) {
        return;
    }
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}
