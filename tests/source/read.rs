//! What is read, and as what.

use mirrorplane::source::open;

use crate::mesh::Mesh;
use crate::mesh::service;

const EXAMPLE: &str = concat!(
    include_str!("../../deploy/examples/traffic-mirror/services.yaml"),
    "---\n",
    include_str!("../../deploy/examples/traffic-mirror/mirror.yaml"),
);

#[test]
fn the_objects_of_the_example_are_read_as_they_are() {
    let mesh = Mesh::of(EXAMPLE);
    assert_eq!(mesh.report(), [""; 0]);
    let objects = &mesh.folder.objects;
    assert_eq!(mesh.services(), ["pipy/pipy-ok-v1", "pipy/pipy-ok-v2"]);
    assert_eq!(objects.workloads.len(), 1);
    let plugin = objects.plugins.values().next().unwrap();
    assert_eq!(plugin.object.spec.priority, Some(115.0));
    let chain = objects.plugin_chains.values().next().unwrap();
    assert_eq!(chain.object.spec.chains[0].plugins, ["traffic-mirror"]);
    let config = objects.plugin_configs.values().next().unwrap();
    assert_eq!(config.object.spec.config["percentage"]["value"], 1.0);
    assert_eq!(
        config.origin.object.as_ref().unwrap().to_string(),
        "PluginConfig curl/traffic-mirror-config"
    );
}

#[test]
fn yaml_yml_and_json_are_read_in_all_folders_and_nothing_else() {
    let mut mesh = Mesh::new(&[
        ("a.yaml", &service("a", "1")),
        ("x/b.yml", &service("b", "1")),
        (
            "x/y/c.json",
            r#"{"apiVersion":"v1","kind":"Service","metadata":{"name":"c","namespace":"n"}}"#,
        ),
        ("d.txt", "{"),
        (".git/e.yaml", "{"),
        (".f.yaml", "{"),
    ]);
    mesh.read();
    assert_eq!(mesh.services(), ["default/a", "default/b", "n/c"]);
    assert_eq!(mesh.report(), [""; 0]);
}

#[test]
fn empty_documents_and_foreign_kinds_are_nobodys_business() {
    let mesh = Mesh::of(concat!(
        "# nothing\n---\n---\n# nothing\n---\nnull\n---\n",
        "apiVersion: v1\nkind: ConfigMap\ndata: 7\n---\n",
        "apiVersion: serving.knative.dev/v1\nkind: Service\n---\n",
        "apiVersion: v1\nkind: SecretList\nitems: 7\n...\n",
    ));
    assert_eq!(mesh.report(), [""; 0]);
    assert_eq!(mesh.services(), [""; 0]);
}

#[test]
fn a_folder_named_like_a_namespace_that_is_not_known_is_told_once_per_file() {
    let config = "apiVersion: plugin.flomesh.io/v1alpha1
kind: PluginConfig
metadata: {name: c, namespace: curl}
spec:
  plugin: p
  destinationRefs: [{kind: Service, name: a, namespace: pipy}]
  config: {}
";
    let two = [service("a", "1"), service("b", "1")].join("---\n");
    let mut mesh = Mesh::new(&[
        ("config.yaml", config),
        ("pipy/services.yaml", &two),
        ("curl.yaml", &service("c", "1")),
        ("other/services.yaml", &service("d", "1")),
        ("services.yaml", &service("e", "1")),
    ]);
    mesh.read();
    assert_eq!(
        mesh.places(),
        [
            "MP013 curl.yaml:3:1 metadata",
            "MP013 pipy/services.yaml:3:1 metadata"
        ]
    );
    assert!(mesh.services().contains(&"default/a".to_owned()));
    mesh.write(
        "namespaces.yaml",
        "{apiVersion: v1, kind: Namespace, metadata: {name: pipy}}\n---\n\
         {apiVersion: v1, kind: Namespace, metadata: {name: curl}}\n",
    );
    mesh.read();
    assert_eq!(mesh.report(), [""; 0]);
    assert!(mesh.services().contains(&"pipy/a".to_owned()));
}

#[test]
fn a_folder_without_objects_is_told() {
    let mesh = Mesh::new(&[("a.txt", "apiVersion: v1")]);
    let folder = open(mesh.path()).unwrap();
    let codes: Vec<_> = folder.report.iter().map(|d| d.code.as_str()).collect();
    assert_eq!(codes, ["MP014"]);
}

#[test]
fn the_items_of_lists_are_read() {
    let mesh = Mesh::of(
        "apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Service, metadata: {name: a}}
- {apiVersion: v1, kind: Secret}
- apiVersion: v1
  kind: List
  items:
  - {apiVersion: v1, kind: Service, metadata: {name: b}}
---
apiVersion: v1
kind: ServiceList
metadata: {resourceVersion: '7'}
items:
- metadata: {name: c, namespace: ns}
---
apiVersion: v1
kind: PodList
items:
",
    );
    assert_eq!(mesh.report(), [""; 0]);
    assert_eq!(mesh.services(), ["default/a", "default/b", "ns/c"]);
}

#[test]
fn scopes_are_those_of_the_kinds() {
    let mesh = Mesh::of(
        "apiVersion: v1
kind: Namespace
metadata: {name: curl, namespace: ignored}
---
apiVersion: plugin.flomesh.io/v1alpha1
kind: Plugin
metadata: {name: p, namespace: ignored}
---
apiVersion: config.flomesh.io/v1alpha3
kind: MeshConfig
metadata: {name: m}
spec: {featureFlags: {enablePluginPolicy: yes}}
",
    );
    let objects = &mesh.folder.objects;
    assert_eq!(
        objects.namespaces.keys().next().unwrap().to_string(),
        "curl"
    );
    let (name, plugin) = objects.plugins.iter().next().unwrap();
    assert_eq!((name, &plugin.object.metadata.key()), (name, name));
    assert_eq!(name.to_string(), "p");
    let (name, config) = objects.mesh_configs.iter().next().unwrap();
    assert_eq!(name.to_string(), "default/m");
    assert_eq!(config.object.metadata.key(), *name);
    assert!(config.object.spec.feature_flags.enable_plugin_policy);
}

#[test]
fn null_is_absent_and_dates_are_text() {
    let mesh = Mesh::of(
        "apiVersion: v1
kind: Service
metadata: {name: a, creationTimestamp: 2024-05-06T07:08:09Z, labels: null, annotations: ~}
spec: {selector: null, ports: null}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: d, creationTimestamp: null}
spec: {template: {metadata: {creationTimestamp: null}}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: e}
addressType: IPv4
endpoints: null
",
    );
    assert_eq!(mesh.report(), [""; 0]);
    let objects = &mesh.folder.objects;
    let service = objects.services.values().next().unwrap();
    assert_eq!(
        service.object.metadata.creation_timestamp.as_deref(),
        Some("2024-05-06T07:08:09Z")
    );
    assert_eq!(
        (objects.workloads.len(), objects.endpoint_slices.len()),
        (1, 1)
    );
}

#[test]
fn a_single_file_can_be_opened_and_a_missing_folder_cannot() {
    let mesh = Mesh::new(&[
        ("a.yaml", &service("a", "1")),
        ("b.yaml", &service("b", "1")),
    ]);
    let file = open(&mesh.at("a.yaml")).unwrap();
    assert_eq!(crate::mesh::services(&file.objects), ["default/a"]);
    assert_eq!(
        crate::mesh::services(&open(mesh.path()).unwrap().objects).len(),
        2
    );
    let error = open(&mesh.at("missing")).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
}
