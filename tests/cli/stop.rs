//! `stop` and `resume`, without a cluster.

use std::fs;
use std::path::Path;

use crate::command::{EXAMPLE, arg, folder, mirrorplane, stderr, stdout};

/// The example, with this in the place of that.
fn example(from: &str, to: &str) -> tempfile::TempDir {
    let files = ["services.yaml", "endpoints.yaml", "mirror.yaml"];
    let read = |file: &str| fs::read_to_string(Path::new(EXAMPLE).join(file)).unwrap();
    let texts: Vec<_> = files.map(read).into_iter().collect();
    assert!(texts.iter().any(|text| text.contains(from)), "{from}");
    let texts: Vec<_> = texts.iter().map(|text| text.replace(from, to)).collect();
    let files: Vec<_> = files
        .into_iter()
        .zip(texts.iter().map(String::as_str))
        .collect();
    folder(&files)
}

#[test]
fn in_a_folder_it_says_where_the_annotation_belongs_and_changes_nothing() {
    let plain = example("metadata", "metadata");
    let annotated = example(
        "  name: traffic-mirror-config\n",
        "  name: traffic-mirror-config\n  annotations:\n    mirrorplane.io/stop: why\n",
    );
    let config = "curl/traffic-mirror-config";
    for (folder, command, selection, expected) in [
        (
            &plain,
            "stop",
            vec![config, "--reason", "it \"hurts\": 1"],
            vec![
                "/mirror.yaml:",
                "PluginConfig curl/traffic-mirror-config: add to its metadata\n  annotations:\n    mirrorplane.io/stop: \"it \\\"hurts\\\": 1\"",
            ],
        ),
        (
            &plain,
            "stop",
            vec!["--namespace", "pipy", "-n", "curl"],
            vec!["Namespace pipy: add to its", "Namespace curl: add to its"],
        ),
        (
            &plain,
            "stop",
            vec!["--all"],
            vec!["MeshConfig osm-system/osm-mesh-config: add to its"],
        ),
        (&plain, "resume", vec![config], vec!["nothing to remove"]),
        (
            &annotated,
            "stop",
            vec![config],
            vec!["let it be\n    mirrorplane.io/stop: \"\""],
        ),
        (
            &annotated,
            "resume",
            vec![config],
            vec!["remove this annotation"],
        ),
    ] {
        let before = fs::read_to_string(folder.path().join("mirror.yaml")).unwrap();
        let mut arguments = vec![command, "--config-dir", arg(folder.path())];
        arguments.extend(selection);
        let output = mirrorplane(&arguments);
        let is_done = expected == ["nothing to remove"];
        let code = if is_done { 0 } else { 2 };
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        for expected in expected {
            let text = stdout(&output);
            assert!(text.contains(expected), "{arguments:?}: {text}");
        }
        let is_open = stderr(&output).contains("nothing is changed");
        assert_eq!(is_open, !is_done, "{arguments:?}");
        let after = fs::read_to_string(folder.path().join("mirror.yaml")).unwrap();
        assert_eq!(before, after);
    }
}

#[test]
fn the_place_it_names_is_where_the_annotation_works() {
    let plain = example("metadata", "metadata");
    let arguments = ["stop", "--all", "--config-dir", arg(plain.path())];
    let said = stdout(&mirrorplane(&arguments));
    let (place, rest) = said.split_once("  MeshConfig").unwrap();
    let (_, lines) = rest.split_once(": add to its metadata\n").unwrap();
    let mut parts = place.rsplit(':');
    let line: usize = parts.nth(1).unwrap().parse().unwrap();
    let file = plain.path().join("mirror.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let mut text: Vec<&str> = text.lines().collect();
    assert!(text[line - 1].starts_with("metadata"), "{}", text[line - 1]);
    text.splice(line..line, lines.trim_end().lines());
    fs::write(&file, text.join("\n")).unwrap();
    let output = mirrorplane(&["check", arg(plain.path())]);
    let said = stdout(&output);
    assert!(
        said.contains("MP701") && said.contains("osm-mesh-config"),
        "{said}"
    );
    assert_eq!(output.status.code(), Some(0), "a stop is no error");
}

#[test]
fn what_is_to_be_stopped_has_to_be_said_and_to_be_there() {
    for (arguments, expected) in [
        (vec!["stop"], "NAMESPACE/NAME"),
        (vec!["resume"], "NAMESPACE/NAME"),
        (vec!["stop", "curl"], "NAMESPACE/NAME"),
        (vec!["stop", "curl/a", "--all"], "cannot be used with"),
        (vec!["stop", "-n", "curl", "--all"], "cannot be used with"),
        (vec!["stop", "curl/a", "-n", "curl"], "cannot be used with"),
        (
            vec!["stop", "--all", "--config-dir", EXAMPLE, "--context", "x"],
            "cannot be used with",
        ),
        (
            vec!["stop", "curl/nobody", "--config-dir", EXAMPLE],
            "there is no PluginConfig `curl/nobody`",
        ),
        (
            vec!["stop", "-n", "nowhere", "--config-dir", EXAMPLE],
            "there is no Namespace `nowhere`",
        ),
    ] {
        let output = mirrorplane(&arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let said = stderr(&output);
        assert!(said.contains(expected), "{arguments:?}: {said}");
        assert_eq!(stdout(&output), "", "{arguments:?}");
    }
}
