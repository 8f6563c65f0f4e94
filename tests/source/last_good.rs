//! What cannot be read any more stays as it was.

use std::fs;

use crate::mesh::Mesh;
use crate::mesh::service;

fn port(mesh: &Mesh, name: &str) -> u16 {
    let service = (mesh.folder.objects.services.iter())
        .find(|(key, _)| key.name == name)
        .unwrap()
        .1;
    service.object.spec.ports[0].port
}

fn two(port_of_b: &str) -> String {
    format!("{}---\n{}", service("a", "1"), service("b", port_of_b))
}

#[test]
fn a_file_with_a_syntax_error_keeps_all_its_objects_until_it_is_repaired() {
    let mut mesh = Mesh::of(&two("2"));
    mesh.write("mesh.yaml", format!("{}---\n@\n", service("a", "7")));
    for _ in 0..2 {
        mesh.read();
        assert_eq!(mesh.services(), ["default/a", "default/b"]);
        assert_eq!(port(&mesh, "a"), 1);
        assert_eq!(
            mesh.report(),
            ["error[MP001]: unexpected character: `@'\n \
                 --> mesh.yaml:9:1\n  \
                 note: the last valid version of the file stays in force"]
        );
    }
    mesh.write("mesh.yaml", service("a", "7"));
    mesh.read();
    assert_eq!(mesh.services(), ["default/a"]);
    assert_eq!(port(&mesh, "a"), 7);
    assert_eq!(mesh.report(), [""; 0]);
}

#[test]
fn an_object_that_cannot_be_decoded_keeps_its_last_version_and_only_that() {
    let mut mesh = Mesh::of(&two("2"));
    mesh.write("mesh.yaml", two("many").replace("port: 1", "port: 11"));
    for _ in 0..2 {
        mesh.read();
        assert_eq!((port(&mesh, "a"), port(&mesh, "b")), (11, 2));
        assert_eq!(mesh.places(), ["MP004 mesh.yaml:15:5 spec.ports[0].port"]);
        let diagnostic = mesh.folder.report.iter().next().unwrap();
        assert_eq!(diagnostic.effect, "the last valid version stays in force");
    }
    // Once removed it is gone, and does not come back with the error.
    mesh.write("mesh.yaml", service("a", "1"));
    mesh.read();
    mesh.write("mesh.yaml", two("many"));
    mesh.read();
    assert_eq!(mesh.services(), ["default/a"]);
    let diagnostic = mesh.folder.report.iter().next().unwrap();
    assert_eq!(diagnostic.effect, "it has no effect until it is fixed");
}

#[test]
fn a_stop_counts_though_the_object_cannot_be_decoded_and_its_end_does_not() {
    let config = |plugin: &str, stop: &str| {
        format!(
            "apiVersion: plugin.flomesh.io/v1alpha1\nkind: PluginConfig\nmetadata:\n  name: a\n  namespace: default\n\
             {stop}spec:\n  plugin: {plugin}\n  destinationRefs: []\n  config: {{}}\n"
        )
    };
    let annotated = |value: &str| format!("  annotations:\n    mirrorplane.io/stop: {value}\n");
    let mut mesh = Mesh::of(&config("p", ""));
    for (plugin, stop, expected) in [
        ("[p]", annotated("~"), Some("")),
        ("[p]", annotated("it hurts"), Some("it hurts")),
        ("[p]", String::new(), Some("it hurts")),
        ("p", String::new(), None),
        ("p", annotated("yes"), Some("true")),
        ("p", annotated("1"), Some("1")),
    ] {
        mesh.write("mesh.yaml", config(plugin, &stop));
        mesh.read();
        let read = mesh.folder.objects.plugin_configs.values().next().unwrap();
        let annotations = &read.object.metadata.annotations;
        let found = annotations.get("mirrorplane.io/stop").map(String::as_str);
        assert_eq!(found, expected, "{plugin} {stop}");
        assert_eq!(read.object.spec.plugin, "p");
        let told = mesh.places().len();
        assert_eq!(told, usize::from(plugin == "[p]"), "{plugin} {stop}");
    }
}

#[test]
fn a_broken_copy_beside_a_valid_one_changes_nothing() {
    let mut mesh = Mesh::of(&service("a", "1"));
    mesh.write(
        "mesh.yaml",
        format!("{}---\n{}", service("a", "many"), service("a", "3")),
    );
    mesh.read();
    assert_eq!(port(&mesh, "a"), 3);
    assert_eq!(mesh.places(), ["MP004 mesh.yaml:7:5 spec.ports[0].port"]);
}

#[test]
fn removed_and_renamed_files_take_their_objects_with_them() {
    let mut mesh = Mesh::new(&[
        ("a.yaml", &service("a", "1")),
        ("b.yaml", &service("b", "1")),
    ]);
    mesh.read();
    fs::remove_file(mesh.at("a.yaml")).unwrap();
    fs::rename(mesh.at("b.yaml"), mesh.at("c.yaml")).unwrap();
    mesh.read();
    assert_eq!(mesh.services(), ["default/b"]);
    let service = mesh.folder.objects.services.values().next().unwrap();
    let file = &service.origin.document.as_ref().unwrap().file;
    assert_eq!(*file, mesh.at("c.yaml"));
    assert_eq!(mesh.report(), [""; 0]);
}

#[test]
fn a_folder_that_is_gone_keeps_its_objects() {
    let mut mesh = Mesh::new(&[("a.yaml", &service("a", "1"))]);
    mesh.read();
    fs::remove_dir_all(mesh.path()).unwrap();
    for _ in 0..2 {
        mesh.read();
        assert_eq!(mesh.services(), ["default/a"]);
        assert_eq!(mesh.folder.report.iter().len(), 1);
    }
    mesh.write("a.yaml", service("b", "1"));
    mesh.read();
    assert_eq!(mesh.services(), ["default/b"]);
    assert_eq!(mesh.report(), [""; 0]);
}

#[cfg(unix)]
#[test]
fn a_link_to_nowhere_keeps_what_it_led_to() {
    let mut mesh = Mesh::new(&[(".store/a", &service("a", "1"))]);
    std::os::unix::fs::symlink(".store/a", mesh.at("a.yaml")).unwrap();
    mesh.read();
    fs::remove_file(mesh.at(".store/a")).unwrap();
    mesh.read();
    assert_eq!(mesh.services(), ["default/a"]);
    assert_eq!(mesh.places(), ["MP002 a.yaml:1:1"]);
    mesh.write(".store/a", service("b", "1"));
    mesh.read();
    assert_eq!(mesh.services(), ["default/b"]);
}

#[test]
fn an_unchanged_file_is_not_parsed_again() {
    let mut mesh = Mesh::new(&[
        ("a.yaml", &service("a", "1")),
        ("b.yaml", &service("b", "1")),
    ]);
    let document = |mesh: &Mesh, name: &str| {
        let services = &mesh.folder.objects.services;
        let (_, service) = services.iter().find(|(key, _)| key.name == name).unwrap();
        service.origin.document.clone().unwrap()
    };
    mesh.read();
    let before = (document(&mesh, "a"), document(&mesh, "b"));
    mesh.write("a.yaml", service("a", "1"));
    mesh.write("b.yaml", service("b", "2"));
    mesh.read();
    assert!(std::sync::Arc::ptr_eq(&before.0, &document(&mesh, "a")));
    assert_ne!(before.1, document(&mesh, "b"));
}

#[test]
fn a_file_that_is_emptied_keeps_its_objects_until_it_is_filled_or_deleted() {
    let mut mesh = Mesh::of(&two("2"));
    for _ in 0..2 {
        mesh.write("mesh.yaml", "");
        mesh.read();
        assert_eq!(mesh.services(), ["default/a", "default/b"]);
        assert_eq!(mesh.places(), ["MP009 mesh.yaml:1:1"]);
    }
    mesh.write("mesh.yaml", service("a", "1"));
    mesh.read();
    assert_eq!(mesh.services(), ["default/a"]);
    assert_eq!(mesh.report(), [""; 0]);
    mesh.write("mesh.yaml", "");
    mesh.read();
    fs::remove_file(mesh.path().join("mesh.yaml")).unwrap();
    mesh.read();
    assert_eq!(mesh.services(), [""; 0]);
    assert_eq!(mesh.report(), [""; 0]);
}

#[test]
fn a_chain_with_an_unknown_field_in_its_selectors_does_not_select_more() {
    let chain = |selectors: &str| {
        format!(
            "apiVersion: plugin.flomesh.io/v1alpha1
kind: PluginChain
metadata: {{name: c, namespace: ns}}
spec:
  chains: []
  selectors: {selectors}
"
        )
    };
    let wrong = chain("{podSelector: {matchLabel: {app: x}}, podselector: {}}");
    let mut mesh = Mesh::of(&wrong);
    assert!(mesh.folder.objects.plugin_chains.is_empty());
    let paths = [
        "MP206 mesh.yaml:6:29 spec.selectors.podSelector.matchLabel",
        "MP206 mesh.yaml:6:52 spec.selectors.podselector",
    ];
    assert_eq!(mesh.places(), paths);

    mesh.write("mesh.yaml", chain("{podSelector: {matchLabels: {app: x}}}"));
    let chains = mesh.read().objects.plugin_chains.clone();
    assert_eq!((chains.len(), mesh.report().len()), (1, 0));
    mesh.write("mesh.yaml", wrong);
    assert_eq!(mesh.read().objects.plugin_chains, chains);
    assert_eq!(mesh.places(), paths);
    assert!(mesh.report()[0].contains("the last valid version stays in force"));
}
