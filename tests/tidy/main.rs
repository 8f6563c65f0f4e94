//! The structure of the code, checked: one-way imports, short files, no leftovers.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod evidence;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use mirrorplane::diag::Code;

/// No file is longer than this, unit tests included.
const LONGEST: usize = 400;

/// What each module may import from the crate. `cli`, `app` and `main` know everything.
const IMPORTS: &[(&str, &[&str])] = &[
    ("name", &[]),
    ("proto", &[]),
    ("diag", &["name"]),
    ("api", &["name"]),
    ("crd", &["api"]),
    ("model", &["name"]),
    ("source", &["api", "diag", "name"]),
    ("dialect", &["api", "diag", "model", "name", "source"]),
    (
        "resolve",
        &["api", "diag", "dialect", "model", "name", "source"],
    ),
    ("brake", &["api", "diag", "model", "name", "source"]),
    ("translate", &["model", "name", "proto"]),
    ("snapshot", &["model", "name", "proto", "translate"]),
    ("reload", &[]),
    ("throttle", &[]),
    ("transport", &["reload"]),
    ("access", &["name", "reload"]),
    ("certificates", &["reload", "transport"]),
    (
        "admission",
        &[
            "diag",
            "name",
            "resolve",
            "sidecar",
            "source",
            "throttle",
            "transport",
        ],
    ),
    (
        "server",
        &[
            "access",
            "model",
            "name",
            "proto",
            "snapshot",
            "throttle",
            "transport",
        ],
    ),
    (
        "rollout",
        &["diag", "model", "name", "server", "snapshot", "source"],
    ),
    ("admin", &["diag", "model", "rollout", "server", "snapshot"]),
    ("observe", &["model", "name", "server", "translate"]),
    ("sidecar", &["api", "diag", "model", "name", "translate"]),
    (
        "status",
        &[
            "api", "brake", "diag", "dialect", "model", "name", "observe", "rollout", "server",
            "source",
        ],
    ),
    ("embed", &["model", "server", "snapshot"]),
    ("shim", &["proto"]),
    (
        "pipeline",
        &[
            "brake", "diag", "model", "name", "resolve", "snapshot", "source",
        ],
    ),
    (
        "app",
        &[
            "admin",
            "admission",
            "diag",
            "model",
            "name",
            "observe",
            "pipeline",
            "resolve",
            "rollout",
            "server",
            "snapshot",
            "source",
            "status",
        ],
    ),
    (
        "cli",
        &[
            "access",
            "admin",
            "admission",
            "api",
            "app",
            "certificates",
            "crd",
            "diag",
            "dialect",
            "model",
            "name",
            "pipeline",
            "proto",
            "reload",
            "resolve",
            "rollout",
            "server",
            "shim",
            "sidecar",
            "snapshot",
            "source",
            "status",
            "translate",
            "transport",
        ],
    ),
    ("main", &["cli"]),
    ("lib", &[]),
];

/// Words that say nothing about what a file holds.
const EMPTY_NAMES: &[&str] = &[
    "util", "utils", "helper", "helpers", "common", "manager", "handler", "misc",
];

fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no .{extension} files in {folder}");
    found
}

fn rust_files() -> Vec<PathBuf> {
    [
        files("src", "rs"),
        files("tests", "rs"),
        files("examples", "rs"),
    ]
    .concat()
}

fn module_of(file: &Path) -> String {
    let inside = file
        .strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
        .unwrap();
    inside
        .components()
        .next()
        .unwrap()
        .as_os_str()
        .to_string_lossy()
        .trim_end_matches(".rs")
        .to_owned()
}

#[test]
fn a_stage_reads_only_the_stages_before_it() {
    let table: BTreeMap<&str, &[&str]> = IMPORTS.iter().copied().collect();
    let mut wrong = Vec::new();
    for file in files("src", "rs") {
        let module = module_of(&file);
        let Some(allowed) = table.get(module.as_str()) else {
            wrong.push(format!(
                "{}: module `{module}` is not in the table of this test",
                file.display()
            ));
            continue;
        };
        for (number, line) in fs::read_to_string(&file).unwrap().lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for rest in code.split("crate::").skip(1) {
                let imported: String = rest
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect();
                let place = format!("{}:{}", file.display(), number + 1);
                if imported.is_empty() {
                    wrong.push(format!(
                        "{place}: write one `use crate::module::...` per line"
                    ));
                } else if imported != module
                    && module != "lib"
                    && !allowed.contains(&imported.as_str())
                {
                    wrong.push(format!("{place}: `{module}` must not know `{imported}`"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn files_are_short() {
    let long: Vec<String> = rust_files()
        .into_iter()
        .filter_map(|file| {
            let lines = fs::read_to_string(&file).unwrap().lines().count();
            (lines > LONGEST).then(|| format!("{}: {lines} lines", file.display()))
        })
        .collect();
    assert!(long.is_empty(), "split by idea:\n{}", long.join("\n"));
}

#[test]
fn file_names_say_what_is_inside() {
    for file in rust_files() {
        let stem = file.file_stem().unwrap().to_string_lossy().into_owned();
        let folder = file
            .parent()
            .unwrap()
            .file_name()
            .unwrap()
            .to_string_lossy()
            .into_owned();
        for name in [stem, folder] {
            assert!(
                !EMPTY_NAMES.contains(&name.as_str()),
                "{}: `{name}` says nothing",
                file.display()
            );
        }
    }
}

#[test]
fn nothing_is_left_undone() {
    let marks = [
        ["TO", "DO"].concat(),
        ["FIX", "ME"].concat(),
        ["#[ig", "nore"].concat(),
        ["#[should_", "panic"].concat(),
    ];
    let mut left = Vec::new();
    for file in rust_files() {
        for (number, line) in fs::read_to_string(&file).unwrap().lines().enumerate() {
            if marks.iter().any(|mark| line.contains(mark.as_str())) {
                left.push(format!("{}:{}: {line}", file.display(), number + 1));
            }
        }
    }
    assert!(left.is_empty(), "\n{}", left.join("\n"));
}

#[test]
fn the_readme_lists_every_diagnostic() {
    let readme =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    for code in Code::ALL {
        let row = format!("| {code} | {} | {} |", code.severity(), code.title());
        assert!(readme.contains(&row), "README.md has no line\n{row}");
    }
}

/// Whether a row of README.md begins with this name, or with several of which this is one.
fn has_row(readme: &str, name: &str) -> bool {
    let cells = readme.lines().filter_map(|line| line.strip_prefix("| "));
    let mut firsts = cells.filter_map(|cells| cells.split(" | ").next());
    firsts.any(|first| first.split(", ").any(|one| one == name))
}

#[test]
fn the_readme_lists_every_folder_of_tests_and_every_bench() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let tests = fs::read_dir(root.join("tests")).unwrap();
    let mut names: Vec<String> = tests
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().join("main.rs").is_file())
        .map(|entry| format!("`tests/{}`", entry.file_name().to_string_lossy()))
        .collect();
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let benches = manifest.split("[[bench]]").skip(1);
    names.extend(benches.map(|bench| {
        let name = bench
            .lines()
            .find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
        format!("`{}`", name.unwrap())
    }));
    assert!(names.len() > 15, "{names:?}");
    let missing: Vec<String> = names
        .into_iter()
        .filter(|name| !has_row(&readme, name))
        .collect();
    assert!(missing.is_empty(), "README.md has no row of {missing:?}");
}
