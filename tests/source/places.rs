//! What is wrong, and where.

use mirrorplane::diag::Severity;

use crate::mesh::Mesh;
use crate::mesh::service;

#[test]
fn a_syntax_error_has_its_place() {
    let mesh = Mesh::of("apiVersion: v1\n---\nkind: Service\n  metadata: 1\n---\né: [ü, @]\n");
    assert_eq!(
        mesh.report(),
        [
            "error[MP001]: mapping values are not allowed in this context\n \
             --> mesh.yaml:4:11\n  \
             note: nothing in this file has any effect until it is fixed",
            "error[MP001]: unexpected character: `@'\n \
             --> mesh.yaml:6:8\n  \
             note: nothing in this file has any effect until it is fixed",
        ]
    );
    let mut mesh = Mesh::new(&[]);
    mesh.write("a.yaml", b"a: 1\n\xc3\xa9: \xff\n");
    mesh.write("b.json", b"{\"a\": 1,\n \"a\": 2}");
    mesh.read();
    assert_eq!(mesh.places(), ["MP001 a.yaml:2:4", "MP001 b.json:2:2"]);
}

#[test]
fn a_wrong_type_is_told_at_the_field() {
    let mesh = Mesh::of(
        "---
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Service
  metadata: {name: a}
- apiVersion: v1
  kind: Service
  metadata: {name: b}
  spec:
    ports:
    - name: http
      port: eighty
---
apiVersion: plugin.flomesh.io/v1alpha1
kind: PluginConfig
metadata:
  name: c
  namespace: ns
spec:
  plugin: p
  destinationrefs: []
  config: {}
",
    );
    assert_eq!(mesh.services(), ["default/a"]);
    assert_eq!(
        mesh.report(),
        [
            "error[MP004]: `spec.ports[0].port` must be a whole number from 0 to 65535, not the text \"eighty\"\n \
             --> mesh.yaml:14:7  Service default/b  spec.ports[0].port\n  \
             note: it has no effect until it is fixed",
            "error[MP004]: `spec.destinationRefs` is missing\n \
             --> mesh.yaml:21:1  PluginConfig ns/c  spec.destinationRefs\n  \
             note: it has no effect until it is fixed\n  \
             help: there is a `destinationrefs`; write `destinationRefs` if that is meant",
        ]
    );
}

#[test]
fn what_is_no_object_is_told() {
    let mesh = Mesh::of(
        "just text
---
- a list
---
kind: Service
---
apiVersion: 1
kind: Service
---
apiVersion: v1
kind: List
items:
- 7
- metadata: {name: a}
---
apiVersion: v1
kind: List
items: {}
",
    );
    assert_eq!(
        mesh.places(),
        [
            "MP003 mesh.yaml:1:1",
            "MP003 mesh.yaml:3:1",
            "MP003 mesh.yaml:5:1 apiVersion",
            "MP003 mesh.yaml:7:1 apiVersion",
            "MP003 mesh.yaml:13:3",
            "MP003 mesh.yaml:14:3 apiVersion",
            "MP003 mesh.yaml:18:1 items",
        ]
    );
}

#[test]
fn names_are_there_and_are_names() {
    let mesh = Mesh::of(
        "apiVersion: v1
kind: Service
---
apiVersion: v1
kind: Service
metadata: {name: '', namespace: n}
---
apiVersion: v1
kind: Service
metadata:
  name: a/b
---
apiVersion: v1
kind: Service
metadata:
  name: 8
---
apiVersion: v1
kind: Service
metadata:
  name: a
  namespace: N
---
apiVersion: v1
kind: Service
metadata: []
",
    );
    assert_eq!(
        mesh.places(),
        [
            "MP007 mesh.yaml:1:1 metadata.name",
            "MP007 mesh.yaml:6:12 metadata.name",
            "MP004 mesh.yaml:11:3 metadata.name",
            "MP004 mesh.yaml:16:3 metadata.name",
            "MP004 mesh.yaml:22:3 metadata.namespace",
            "MP004 mesh.yaml:26:1 metadata",
        ]
    );
    assert_eq!(mesh.services(), [""; 0]);
}

#[test]
fn unknown_fields_are_told_for_the_plugin_kinds_under_spec() {
    let mesh = Mesh::of(
        "apiVersion: plugin.flomesh.io/v1alpha1
kind: PluginConfig
metadata: {name: c, generation: 3}
spec:
  plugin: p
  prio: 3
  destinationRefs:
  - kind: Service
    name: s
    namspace: n
  config: {anything: {goes: here}}
status: {anything: true}
---
apiVersion: config.openservicemesh.io/v1alpha2
kind: MeshConfig
metadata: {name: m}
spec: {sidecar: {}, zzz: 1}
---
apiVersion: v1
kind: Service
metadata: {name: s}
spec: {type: ClusterIP}
",
    );
    assert_eq!(mesh.folder.report.count(Severity::Warning), 2);
    assert_eq!(
        mesh.report(),
        [
            "warning[MP005]: nothing reads the field `spec.prio`\n \
             --> mesh.yaml:6:3  PluginConfig default/c  spec.prio\n  \
             note: it is ignored",
            "warning[MP005]: nothing reads the field `spec.destinationRefs[0].namspace`\n \
             --> mesh.yaml:10:5  PluginConfig default/c  spec.destinationRefs[0].namspace\n  \
             note: it is ignored\n  \
             help: did you mean `namespace`?",
        ]
    );
}

#[test]
fn an_unknown_version_of_a_known_kind_is_told() {
    let mesh = Mesh::of(
        "apiVersion: config.openservicemesh.io/v1
kind: MeshConfig
metadata: {name: m}
---
apiVersion: apps/v1beta1
kind: DeploymentList
items:
- metadata: {name: d}
",
    );
    assert_eq!(
        mesh.report(),
        [
            "error[MP008]: MeshConfig of `config.openservicemesh.io/v1` is not supported\n \
             --> mesh.yaml:1:1  MeshConfig default/m  apiVersion\n  \
             note: it has no effect until it is fixed\n  \
             help: write it as `config.openservicemesh.io/v1alpha1` or `config.openservicemesh.io/v1alpha2`",
            "error[MP008]: Deployment of `apps/v1beta1` is not supported\n \
             --> mesh.yaml:8:3  Deployment default/d  apiVersion\n  \
             note: it has no effect until it is fixed\n  \
             help: write it as `apps/v1`",
        ]
    );
}

#[test]
fn of_two_objects_with_one_name_the_first_wins_and_the_other_is_told() {
    let mut mesh = Mesh::new(&[
        ("b.yaml", &service("a", "2")),
        ("a/z.yaml", &service("a", "1")),
        (
            "c.yaml",
            &format!("{}---\n{}", service("c", "1"), service("c", "2")),
        ),
    ]);
    mesh.read();
    assert_eq!(mesh.services(), ["default/a", "default/c"]);
    for service in mesh.folder.objects.services.values() {
        assert_eq!(service.object.spec.ports[0].port, 1);
    }
    assert_eq!(
        mesh.report(),
        [
            "error[MP006]: Service default/a stands already at a/z.yaml:1:1\n \
             --> b.yaml:4:3  Service default/a  metadata.name\n  \
             note: the first one is used, this one has no effect\n  \
             help: remove one of them, or rename it",
            "error[MP006]: Service default/c stands already at c.yaml:1:1\n \
             --> c.yaml:12:3  Service default/c  metadata.name\n  \
             note: the first one is used, this one has no effect\n  \
             help: remove one of them, or rename it",
        ]
    );
}
