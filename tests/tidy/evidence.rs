//! What `tests/conformance/README.md` says is there: a row for every number, a test for every row, a place for every
//! fault.

use std::fs;
use std::path::Path;

#[path = "../mutations/faults.rs"]
mod faults;

use faults::FAULTS;

/// How many rows each part has.
const PARTS: [(char, u32); 4] = [('A', 23), ('B', 31), ('C', 27), ('D', 12)];

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The cells of each row of the table with that head.
fn rows<'a>(page: &'a str, head: &'a str) -> Vec<Vec<&'a str>> {
    let table = page.lines().skip_while(move |line| *line != head).skip(2);
    table
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

#[test]
fn every_number_has_one_row() {
    let page = read("tests/conformance/README.md");
    let rows = rows(&page, "| Row | Claim | Tests |");
    for (part, count) in PARTS {
        for number in 1..=count {
            let name = format!("{part}{number}");
            let found = rows.iter().filter(|row| row[0] == name).count();
            assert_eq!(found, 1, "rows of {name}");
        }
    }
}

#[test]
fn every_row_has_its_tests() {
    let page = read("tests/conformance/README.md");
    for row in rows(&page, "| Row | Claim | Tests |") {
        let cited = row[2].split('`').skip(1).step_by(2);
        let on_the_wire: Vec<_> = cited.filter_map(|test| test.split_once("::")).collect();
        let numbered = PARTS.iter().any(|(part, _)| row[0].starts_with(*part));
        assert!(!on_the_wire.is_empty() || !numbered, "{row:?} has no test");
        for (file, start) in on_the_wire {
            let source = read(&format!("tests/conformance/{file}.rs"));
            let found = source.contains(&format!("async fn {start}"));
            assert!(found, "{}: no test `{file}::{start}`", row[0]);
        }
    }
}

#[test]
fn every_fault_has_its_place_and_its_row() {
    let page = read("tests/conformance/README.md");
    let listed = rows(&page, "| Fault | Breaks | Found by |");
    assert_eq!(listed.len(), FAULTS.len(), "a row for each fault");
    for fault in FAULTS {
        let places = read(fault.file).matches(fault.text).count();
        assert_eq!(places, 1, "places of `{}` in {}", fault.name, fault.file);
        assert_ne!(fault.text, fault.becomes, "{}", fault.name);
        let row = [fault.name, fault.row, &format!("`{}`", fault.caught_by)];
        assert!(
            listed.iter().any(|cells| cells[..] == row),
            "no row {row:?}"
        );
    }
}
