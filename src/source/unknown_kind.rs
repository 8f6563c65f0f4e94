//! Objects of kinds that are not read, and that look as if they were meant to be.

use super::kind::ROWS;
use super::kind::Row;
use crate::api::plugin;
use crate::diag::Code;
use crate::diag::Diagnostic;
use crate::diag::FieldPath;
use crate::diag::Origin;
use crate::diag::nearest;

/// Groups whose kinds are all known.
const OUR_GROUPS: [&str; 3] = [
    plugin::GROUP,
    "config.openservicemesh.io",
    "config.flomesh.io",
];
/// Kinds of these groups that do not concern mirroring.
const OTHER_KINDS: [&str; 2] = ["MeshRootCertificate", "ExtensionService"];

/// What there is to say about an object of a kind that is not read; `None` if it is simply somebody else's.
pub(super) fn doubt(api_version: &str, kind: &str, origin: &Origin) -> Option<Diagnostic> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    if group.is_empty() && kind == "Endpoints" {
        let message = "Endpoints are not read, EndpointSlices are";
        return Some(
            Diagnostic::new(Code::EndpointsNotRead, origin, FieldPath::of("kind"), message)
                .effect("it is ignored")
                .help("write an EndpointSlice of `discovery.k8s.io/v1` with the label `kubernetes.io/service-name`"),
        );
    }
    let is_ours = OUR_GROUPS.contains(&group);
    if is_ours && OTHER_KINDS.contains(&kind) {
        return None;
    }
    let meant = meant(group, kind);
    if meant.is_none() && !is_ours {
        return None;
    }
    let (field, help) = match meant {
        Some(row) => {
            let same = row.versions.iter().find(|known| **known == version);
            let version = same.or(row.versions.first()).copied().unwrap_or_default();
            let expected = match row.group {
                "" => version.to_owned(),
                group => format!("{group}/{version}"),
            };
            match (row.name == kind, row.group == group) {
                (true, _) => (
                    "apiVersion",
                    format!("did you mean `apiVersion: {expected}`?"),
                ),
                (false, true) => ("kind", format!("did you mean `kind: {}`?", row.name)),
                (false, false) => (
                    "kind",
                    format!(
                        "did you mean `kind: {}` of `apiVersion: {expected}`?",
                        row.name
                    ),
                ),
            }
        }
        None => {
            let kinds = ROWS.iter().filter(|row| row.group == group);
            let kinds: Vec<_> = kinds.map(|row| format!("`{}`", row.name)).collect();
            (
                "kind",
                format!("of `{group}`, {} can be read", kinds.join(", ")),
            )
        }
    };
    let message = format!("`{api_version}` has no kind `{kind}` that is read");
    Some(
        Diagnostic::new(Code::UnknownKind, origin, FieldPath::of(field), message)
            .effect("it is ignored")
            .help(help),
    )
}

/// The kind that was probably meant.
fn meant(group: &str, kind: &str) -> Option<&'static Row> {
    let groups = ROWS.iter().map(|row| row.group);
    // Groups without a dot belong to Kubernetes, whose kinds of similar names are not many.
    let is_builtin = !group.contains('.');
    let near = if is_builtin {
        None
    } else {
        nearest(group, groups)
    };
    let candidates = ROWS.iter().filter(|row| {
        if let Some(near) = near {
            row.group == near
        } else if is_builtin {
            true
        } else {
            // In the groups of others, a similar kind is another one; only these names are given by nobody else.
            OUR_GROUPS.contains(&row.group)
                && row.name != "Plugin"
                && row.name.eq_ignore_ascii_case(kind)
        }
    });
    let rows: Vec<_> = candidates.collect();
    let name = nearest(kind, rows.iter().map(|row| row.name))?;
    rows.into_iter().find(|row| row.name == name)
}

#[cfg(test)]
mod tests {
    use super::doubt;
    use crate::diag::Origin;

    fn said(api_version: &str, kind: &str) -> Option<String> {
        let nowhere = Origin {
            object: None,
            document: None,
            within: Vec::new(),
        };
        let diagnostic = doubt(api_version, kind, &nowhere)?;
        Some(format!("{} {}", diagnostic.path, diagnostic.help))
    }

    #[test]
    fn a_slip_in_a_kind_or_its_group_is_told() {
        let plugin = "plugin.flomesh.io/v1alpha1";
        for (api_version, kind, expected) in [
            (
                plugin,
                "PluginConf",
                "kind did you mean `kind: PluginConfig`?",
            ),
            (
                plugin,
                "pluginconfig",
                "kind did you mean `kind: PluginConfig`?",
            ),
            (
                "plugin.flomsh.io/v1alpha1",
                "PluginConfig",
                "apiVersion did you mean `apiVersion: plugin.flomesh.io/v1alpha1`?",
            ),
            (
                "flomesh.io/v1",
                "PluginChain",
                "apiVersion did you mean `apiVersion: plugin.flomesh.io/v1alpha1`?",
            ),
            (
                "config.flomesh.io/v1alpha3",
                "Meshconfig",
                "kind did you mean `kind: MeshConfig`?",
            ),
            (
                "discovery.k8s.io/v1",
                "Endpointslice",
                "kind did you mean `kind: EndpointSlice`?",
            ),
            (
                "v1",
                "EndpointSlice",
                "apiVersion did you mean `apiVersion: discovery.k8s.io/v1`?",
            ),
            ("v1", "service", "kind did you mean `kind: Service`?"),
            (
                "apps/v1",
                "Service",
                "apiVersion did you mean `apiVersion: v1`?",
            ),
            (
                "extensions/v1beta1",
                "deployment",
                "kind did you mean `kind: Deployment` of `apiVersion: apps/v1`?",
            ),
            (
                plugin,
                "Filter",
                "kind of `plugin.flomesh.io`, `Plugin`, `PluginChain`, `PluginConfig` can be read",
            ),
            (
                "v1",
                "Endpoints",
                "kind write an EndpointSlice of `discovery.k8s.io/v1` with the label `kubernetes.io/service-name`",
            ),
        ] {
            assert_eq!(said(api_version, kind).as_deref(), Some(expected), "{kind}");
        }
    }

    #[test]
    fn what_is_somebody_else_s_is_not_told() {
        for (api_version, kind) in [
            ("v1", "ConfigMap"),
            ("v1", "Secret"),
            ("v1", "Node"),
            ("v1", "ServiceAccount"),
            ("v1", "PodTemplate"),
            ("v1", "SecretList"),
            ("apps/v1", "ReplicaSet"),
            ("batch/v1", "Job"),
            ("batch/v1", "CronJob"),
            ("policy/v1", "PodDisruptionBudget"),
            ("networking.k8s.io/v1", "Ingress"),
            ("serving.knative.dev/v1", "Service"),
            ("apps.kruise.io/v1beta1", "StatefulSet"),
            ("apps.openshift.io/v1", "DeploymentConfig"),
            ("networking.istio.io/v1", "VirtualService"),
            ("networking.istio.io/v1", "ServiceEntry"),
            ("extensions.istio.io/v1alpha1", "WasmPlugin"),
            ("configuration.konghq.com/v1", "KongPlugin"),
            ("policy.flomesh.io/v1alpha1", "AccessControl"),
            ("config.flomesh.io/v1alpha3", "MeshRootCertificate"),
            ("example.com/v1", "Plugin"),
        ] {
            assert_eq!(said(api_version, kind), None, "{api_version} {kind}");
        }
    }
}
