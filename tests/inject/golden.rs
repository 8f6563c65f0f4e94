//! One file for each case, and beside it what becomes of the Pod.

use std::fs;
use std::path::{Path, PathBuf};

use mirrorplane::sidecar::inject::Outcome;
use serde_json::Value;

use crate::{read, run, settings};

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/inject/cases");
    let entries = fs::read_dir(folder).unwrap();
    let mut cases: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == "yaml"))
        .collect();
    cases.sort();
    cases
}

/// The bootstrap is the same in all of them, and has a test of its own.
fn without_bootstrap(value: &mut Value) {
    match value {
        Value::String(text) if text.contains("dynamic_resources") => {
            *text = "(bootstrap)".to_owned();
        }
        Value::Array(items) => items.iter_mut().for_each(without_bootstrap),
        Value::Object(fields) => fields.values_mut().for_each(without_bootstrap),
        _ => {}
    }
}

#[test]
fn each_pod_becomes_what_stands_beside_it() {
    let cases = cases();
    assert!(cases.len() >= 8, "{cases:?}");
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut wrong = Vec::new();
    for case in cases {
        let (home, pod) = read(&fs::read_to_string(&case).unwrap());
        let said = match run(&pod, &home, &settings()) {
            Ok(injection) => {
                let mut said: Vec<String> = injection
                    .warnings
                    .iter()
                    .map(|w| format!("{w}\n"))
                    .collect();
                match injection.outcome {
                    Outcome::Left(reason) => said.push(format!("left as it is: {reason}\n")),
                    Outcome::Injected(patch) => {
                        let mut pod = pod.clone();
                        json_patch::patch(&mut pod, &patch).unwrap();
                        let (home, again) = (home, pod);
                        let again = run(&again, &home, &settings()).unwrap().outcome;
                        assert!(
                            matches!(again, Outcome::Left(_)),
                            "{}: twice",
                            case.display()
                        );
                        let mut patch = serde_json::to_value(&patch).unwrap();
                        without_bootstrap(&mut patch);
                        said.push(serde_json::to_string_pretty(&patch).unwrap() + "\n");
                    }
                }
                said.concat()
            }
            Err(wrong) => wrong.iter().map(|one| format!("{one}\n")).collect(),
        };
        let golden = case.with_extension("txt");
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        if said != expected {
            if update || expected.is_empty() {
                fs::write(&golden, &said).unwrap();
            }
            if !update {
                wrong.push(format!("{}:\n{said}", golden.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
