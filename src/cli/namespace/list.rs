//! The namespaces of meshes, as rows.

use k8s_openapi::api::core::v1::Namespace;
use serde::Serialize;

use crate::api::mesh::MONITORED_BY;
use crate::api::mesh::SIDECAR_INJECTION;
use crate::api::mesh::given;

/// A namespace of a mesh.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    namespace: String,
    mesh: String,
    /// What the annotation says; `-` without one.
    sidecar_injection: String,
}

/// Those of a mesh, or of all.
pub(super) fn rows(namespaces: &[Namespace], mesh: Option<&str>) -> Vec<Row> {
    let row = |namespace: &Namespace| {
        let metadata = &namespace.metadata;
        let (_, joined) = given(metadata.labels.as_ref()?, MONITORED_BY)?;
        let annotations = metadata.annotations.as_ref();
        let said = annotations.and_then(|entries| given(entries, SIDECAR_INJECTION));
        mesh.is_none_or(|mesh| mesh == joined).then(|| Row {
            namespace: metadata.name.clone().unwrap_or_default(),
            mesh: joined.to_owned(),
            sidecar_injection: said.map_or("-", |(_, value)| value).to_owned(),
        })
    };
    namespaces.iter().filter_map(row).collect()
}

/// For people.
pub(super) fn table(rows: &[Row]) -> String {
    let head = ["NAMESPACE", "MESH", "SIDECAR-INJECTION"];
    let cells = rows.iter().map(|row| {
        [
            row.namespace.as_str(),
            row.mesh.as_str(),
            row.sidecar_injection.as_str(),
        ]
    });
    let lines: Vec<_> = std::iter::once(head).chain(cells).collect();
    let width = |column: usize| {
        lines
            .iter()
            .map(|line| line[column].len())
            .max()
            .unwrap_or(0)
    };
    let (first, second) = (width(0), width(1));
    let texts = lines
        .iter()
        .map(|[namespace, mesh, said]| format!("{namespace:first$}   {mesh:second$}   {said}"));
    texts.collect::<Vec<_>>().join("\n")
}
