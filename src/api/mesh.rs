//! The names by which namespaces and Pods say that they belong to a mesh: ours, osm-edge's and fsm's mean the same.

use std::collections::BTreeMap;

/// What the labels and annotations begin with. Where several are given, the first one counts.
pub const PREFIXES: [&str; 3] = ["mirrorplane.io/", "openservicemesh.io/", "flomesh.io/"];
/// Label of a namespace: the mesh that it joins.
pub const MONITORED_BY: &str = "monitored-by";
/// Annotation of a namespace or a Pod: whether Pods get a sidecar.
pub const SIDECAR_INJECTION: &str = "sidecar-injection";
/// Label of a namespace or a Pod that the mesh leaves alone, whatever its value is.
pub const IGNORE: &str = "ignore";
/// Annotation of a Pod: ports whose connections are not redirected, separated by commas.
pub const OUTBOUND_PORT_EXCLUSIONS: &str = "outbound-port-exclusion-list";
/// Annotation of a Pod: address ranges whose connections are not redirected, separated by commas.
pub const OUTBOUND_RANGE_EXCLUSIONS: &str = "outbound-ip-range-exclusion-list";
/// Annotation of a Pod: the only address ranges whose connections are redirected, separated by commas.
pub const OUTBOUND_RANGE_INCLUSIONS: &str = "outbound-ip-range-inclusion-list";

/// Namespaces whose Pods the cluster itself needs: they never join.
pub const OF_THE_CLUSTER: [&str; 3] = ["kube-system", "kube-public", "kube-node-lease"];

/// The entry that counts among the ones of a name: its whole key and its value.
pub fn given<'a>(entries: &'a BTreeMap<String, String>, name: &str) -> Option<(&'a str, &'a str)> {
    PREFIXES.iter().find_map(|prefix| {
        let (key, value) = entries.get_key_value(&format!("{prefix}{name}"))?;
        Some((key.as_str(), value.as_str()))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::given;

    #[test]
    fn our_own_name_counts_first() {
        let mut entries = BTreeMap::from([("x.io/ignore".to_owned(), "0".to_owned())]);
        assert_eq!(given(&entries, "ignore"), None);
        for (key, value) in [
            ("flomesh.io/ignore", "1"),
            ("openservicemesh.io/ignore", "2"),
            ("mirrorplane.io/ignore", "3"),
        ] {
            entries.insert(key.to_owned(), value.to_owned());
            assert_eq!(given(&entries, "ignore"), Some((key, value)));
        }
    }
}
