//! `check`: each mistake is found, at its place, under its code.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::command::{EXAMPLE, arg, folder, mirrorplane, stderr, stdout};
use crate::config_mistakes;
use crate::mistaken_copies::COPIES;
use crate::mistakes::{ENDPOINTS, MIRROR, MISTAKES, Mistake, SERVICES, mistake};

/// The example, with one mistake; where the mistake is, if it is at a place.
fn with_mistake(mistake: &Mistake) -> (tempfile::TempDir, Option<(usize, usize)>) {
    let read = |file: &str| fs::read_to_string(Path::new(EXAMPLE).join(file)).unwrap();
    let files = [SERVICES, ENDPOINTS, MIRROR].map(|file| (file, read(file)));
    let mut place = None;
    let changed: Vec<(&str, String)> = files
        .into_iter()
        .map(|(file, text)| {
            if file != mistake.file {
                return (file, text);
            }
            assert!(
                text.contains(mistake.from),
                "{file} has no {:?}",
                mistake.from
            );
            let text = text.replacen(mistake.from, mistake.to, 1);
            place = text.split_once('«').map(|(before, _)| {
                let before: Vec<&str> = before.split('\n').collect();
                (before.len(), before.last().unwrap().chars().count() + 1)
            });
            (file, text.replace('«', ""))
        })
        .collect();
    let files: Vec<(&str, &str)> = changed
        .iter()
        .map(|(file, text)| (*file, text.as_str()))
        .collect();
    (folder(&files), place)
}

#[test]
fn each_mistake_is_reported_at_its_place_under_its_code() {
    let mut wrong = Vec::new();
    let mistakes = [MISTAKES, COPIES, config_mistakes::MISTAKES].concat();
    for mistake in &mistakes {
        let (folder, place) = with_mistake(mistake);
        let output = mirrorplane(&["check", arg(folder.path()), "--output", "json"]);
        let name = format!("{}: {:?}", mistake.code, mistake.to);
        let report: Value = match serde_json::from_slice(&output.stdout) {
            Ok(report) => report,
            Err(_) => {
                wrong.push(format!("{name}: no report: {}", stderr(&output)));
                continue;
            }
        };
        let diagnostics = report["diagnostics"].as_array().unwrap();
        let Some(found) = diagnostics
            .iter()
            .find(|diagnostic| diagnostic["code"] == mistake.code)
        else {
            wrong.push(format!("{name}: not reported, but: {diagnostics:#?}"));
            continue;
        };
        let at = (found["line"].as_u64(), found["column"].as_u64());
        let expected = place.map(|(line, column)| (Some(line as u64), Some(column as u64)));
        if expected.is_some_and(|expected| expected != at) {
            wrong.push(format!("{name}: at {at:?}, not {expected:?}"));
        }
        let file = found["file"].as_str().unwrap_or_default();
        if at.0.is_none() || !file.ends_with(".yaml") {
            wrong.push(format!("{name}: has no place: {found}"));
        }
        if found["message"] == "" || (found["effect"] == "" && found["help"] == "") {
            wrong.push(format!(
                "{name}: does not say what happens or what to do: {found}"
            ));
        }
        let errors = diagnostics
            .iter()
            .any(|diagnostic| diagnostic["severity"] == "error");
        if output.status.code() != Some(i32::from(errors)) {
            wrong.push(format!("{name}: exit code {:?}", output.status.code()));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}\n{}",
        wrong.len(),
        mistakes.len(),
        wrong.join("\n")
    );
}

#[test]
fn the_example_is_without_a_fault() {
    let output = mirrorplane(&["check", EXAMPLE, "--deny-warnings"]);
    assert_eq!(
        (output.status.code(), stdout(&output).as_str()),
        (Some(0), ""),
        "{}",
        stderr(&output)
    );
}

#[test]
fn text_reads_like_a_compiler_s_message() {
    let (folder, _) = with_mistake(&mistake(
        "",
        MIRROR,
        "service: pipy-ok-v2",
        "service: pipy-ok-v3",
    ));
    let output = mirrorplane(&["check", arg(folder.path())]);
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    assert!(text.starts_with("error[MP321]: "), "{text}");
    assert!(
        text.contains(
            "mirror.yaml:56:5  PluginConfig curl/traffic-mirror-config  spec.config.service"
        ),
        "{text}"
    );
    assert!(
        text.contains("help: did you mean `pipy/pipy-ok-v2`?"),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'), "no colours in a pipe: {text:?}");
    assert!(stderr(&output).contains("1 error"), "{}", stderr(&output));
}

#[test]
fn an_invalid_edit_is_told_not_to_end_what_runs() {
    let keeps = "a control plane that runs keeps the last valid version";
    // The MeshConfig is in the same file.
    let (folder, _) = with_mistake(&mistake("", MIRROR, "  priority: 115", "  priority: [115"));
    let text = stdout(&mirrorplane(&["check", arg(folder.path())]));
    assert!(
        text.contains("there may be one in what cannot be read"),
        "{text}"
    );
    for (from, to, expected) in [
        ("value: 1.0", "value: 0\n    timeOut: 5s", true),
        ("value: 1.0", "value: none", true),
        (
            "  plugin: traffic-mirror\n",
            "  plugin: [traffic-mirror]\n",
            true,
        ),
        ("  priority: 115", "  priority: [115", true),
        // This ends it.
        ("service: pipy-ok-v2", "service: pipy-ok-v3", false),
    ] {
        let (folder, _) = with_mistake(&mistake("", MIRROR, from, to));
        let text = stdout(&mirrorplane(&["check", arg(folder.path())]));
        assert!(text.contains("error[MP"), "{text}");
        assert_eq!(text.contains(keeps), expected, "{text}");
    }
}

#[test]
fn warnings_fail_only_if_asked_to() {
    let (folder, _) = with_mistake(&mistake("", MIRROR, "priority: 115", "priority: 90"));
    assert_eq!(
        mirrorplane(&["check", arg(folder.path())]).status.code(),
        Some(0)
    );
    assert_eq!(
        mirrorplane(&["check", arg(folder.path()), "--deny-warnings"])
            .status
            .code(),
        Some(1)
    );
}

#[test]
fn a_folder_that_is_not_there_is_not_a_clean_folder() {
    let output = mirrorplane(&["check", "no-such-folder"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("no-such-folder"),
        "{}",
        stderr(&output)
    );
}
