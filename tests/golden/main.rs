//! Golden cases: a folder is a case, `input.yaml` goes through the whole pipeline, the other files are what comes out.
//!
//! `UPDATE_GOLDEN=1 cargo test --test golden` writes them anew. That a real Envoy accepts every one of these outputs is
//! tested in `tests/traffic/golden.rs`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use mirrorplane::pipeline::Pipeline;
use mirrorplane::resolve::Settings;
use mirrorplane::snapshot::{ResourceType, Snapshot, World, to_json};
use mirrorplane::source;
use serde_json::Value;

fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut cases: Vec<PathBuf> = fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    cases.sort();
    assert!(!cases.is_empty());
    cases
}

/// What comes out of a case, by file name.
fn outputs(case: &Path) -> BTreeMap<&'static str, String> {
    // Only the input is read: the outputs lie beside it.
    let folder = tempfile::tempdir().unwrap();
    fs::copy(case.join("input.yaml"), folder.path().join("input.yaml")).unwrap();
    let loaded = source::open(folder.path()).unwrap();
    let step = Pipeline::new(Settings::default()).step(&loaded.objects);
    assert!(
        step.faults.is_empty(),
        "{}: {:?}",
        case.display(),
        step.faults
    );

    let mut diagnostics = String::new();
    for diagnostic in loaded.report.iter().chain(&step.report) {
        writeln!(diagnostics, "{diagnostic}").unwrap();
    }
    let diagnostics = diagnostics.replace(&format!("{}/", folder.path().display()), "");
    BTreeMap::from([
        ("diagnostics.txt", diagnostics),
        ("xds.yaml", xds(&step.world)),
    ])
}

/// What each node is sent. Nodes that are sent the same stand together; nodes without mirrors are left out.
fn xds(world: &World) -> String {
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (node, group) in &*world.nodes {
        groups
            .entry(group.to_string())
            .or_default()
            .push(node.to_string());
    }
    let mut shown = Vec::new();
    for (_, nodes) in groups {
        let snapshot = world.snapshot_for(&nodes[0]);
        let mut resources = to_json(&snapshot).unwrap();
        if snapshot.of(ResourceType::Endpoint).is_empty() && !refuses(&resources["routes"]) {
            continue;
        }
        shorten(&mut resources);
        shown.push(serde_json::json!({ "nodes": nodes, "versions": versions(&snapshot), "resources": resources }));
    }
    if shown.is_empty() {
        String::new()
    } else {
        serde_saphyr::to_string(&shown).unwrap()
    }
}

/// The versions are hashes: they stand for everything that [`shorten`] leaves out.
fn versions(snapshot: &Snapshot) -> Value {
    ResourceType::ALL
        .iter()
        .flat_map(|ty| snapshot.of(*ty).iter().map(move |named| (ty, named)))
        .map(|(ty, (name, resource))| {
            let version = Value::from(resource.version.as_str());
            (format!("{ty:?} {name}"), version)
        })
        .collect()
}

/// Keeps one virtual host of each set of routes that differ only in the Host of the copies, and drops what is the same in
/// every case: the pass-through.
fn shorten(resources: &mut Value) {
    for route in resources["routes"].as_array_mut().unwrap() {
        let hosts = route["virtual_hosts"].as_array_mut().unwrap();
        let mut seen = Vec::new();
        let mut others = Vec::new();
        hosts.retain(|host| {
            let mut routes = host["routes"].clone();
            without_host_rewrite(&mut routes);
            let new = !seen.contains(&routes);
            if new {
                seen.push(routes);
            } else {
                others.push(host["domains"].clone());
            }
            new && (host["name"] != "passthrough" || refuses(host))
        });
        route["further_domains"] = others
            .into_iter()
            .flat_map(|domains| domains.as_array().unwrap().clone())
            .collect();
    }
    if refuses(&resources["routes"]) {
        watch_once(resources);
    }
    resources["clusters"]
        .as_array_mut()
        .unwrap()
        .retain(|cluster| cluster["name"] != "passthrough");
}

/// Keeps one listener of those at the ports that a quarantine watches, which differ only in their address.
fn watch_once(resources: &mut Value) {
    let mut others = Vec::new();
    let mut seen = false;
    let listeners = resources["listeners"].as_array_mut().unwrap();
    listeners.retain(|listener| {
        let name = listener["name"].as_str().unwrap();
        let is_further = name.starts_with("0.0.0.0:") && seen;
        seen |= name.starts_with("0.0.0.0:");
        if is_further {
            others.push(listener["name"].clone());
        }
        !is_further
    });
    if !others.is_empty() {
        resources["further_watched"] = others.into();
    }
}

/// Whether anything is refused.
fn refuses(routes: &Value) -> bool {
    routes.to_string().contains("x-mirrorplane-quarantine")
}

fn without_host_rewrite(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.remove("host_rewrite_literal");
            map.values_mut().for_each(without_host_rewrite);
        }
        Value::Array(items) => items.iter_mut().for_each(without_host_rewrite),
        _ => {}
    }
}

#[test]
fn every_case_yields_what_its_folder_says() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut wrong = String::new();
    for case in cases() {
        for (name, text) in outputs(&case) {
            let file = case.join(name);
            let expected = fs::read_to_string(&file).unwrap_or_default();
            if text == expected {
                continue;
            }
            writeln!(
                wrong,
                "{}:\n{}",
                file.display(),
                difference(&expected, &text)
            )
            .unwrap();
            if update && text.is_empty() {
                fs::remove_file(&file).unwrap();
            } else if update {
                fs::write(&file, text).unwrap();
            }
        }
    }
    assert!(
        wrong.is_empty() || update,
        "{wrong}\nUPDATE_GOLDEN=1 writes the new outputs"
    );
}

/// The first lines that differ.
fn difference(expected: &str, text: &str) -> String {
    let lines = expected.lines().count().max(text.lines().count());
    let at = |text: &str, n: usize| text.lines().nth(n).map(str::to_owned);
    (0..lines)
        .filter(|n| at(expected, *n) != at(text, *n))
        .take(5)
        .map(|n| {
            let line = |text| at(text, n).unwrap_or_default();
            format!(
                "  {}: - {}\n  {}: + {}\n",
                n + 1,
                line(expected),
                n + 1,
                line(text)
            )
        })
        .collect()
}

#[test]
fn every_case_is_made_of_known_files() {
    for case in cases() {
        for entry in fs::read_dir(&case).unwrap() {
            let name = entry.unwrap().file_name();
            let known = ["input.yaml", "diagnostics.txt", "xds.yaml"];
            assert!(
                known.iter().any(|known| name == *known),
                "{}: {name:?} belongs to nothing",
                case.display()
            );
        }
        assert!(
            case.join("input.yaml").exists(),
            "{}: no input",
            case.display()
        );
    }
}
