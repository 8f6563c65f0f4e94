//! The nodes that a credential stands for.

use std::fmt;
use std::str::FromStr;

use crate::name::Namespaced;

/// Nodes that a client may speak for. A node is what a sidecar calls itself in `node.id`, `NAMESPACE/NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// One node.
    Node(Namespaced),
    /// Every node of a namespace.
    Namespace(String),
}

impl Claim {
    /// What a URI of a certificate's subject alternative name stands for, if anything:
    ///
    /// * `spiffe://TRUST-DOMAIN/ns/NAMESPACE/node/NAME`: that node;
    /// * `spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/SERVICE-ACCOUNT`: every node of the namespace. Files do not say which
    ///   service account a Pod runs as.
    ///
    /// The trust domain is not looked at: whoever the client CA signs for is trusted with its names.
    pub fn of_uri(uri: &str) -> Option<Self> {
        let path: Vec<&str> = uri.strip_prefix("spiffe://")?.split('/').collect();
        if path.contains(&"") {
            return None;
        }
        match path.as_slice() {
            [_, "ns", namespace, "node", name] => {
                Some(Self::Node(Namespaced::new(*namespace, *name)))
            }
            [_, "ns", namespace, "sa", _] => Some(Self::Namespace((*namespace).to_owned())),
            _ => None,
        }
    }

    /// Whether the claim covers a node.
    pub fn covers(&self, node: &Namespaced) -> bool {
        match self {
            Self::Node(name) => name == node,
            Self::Namespace(namespace) => *namespace == node.namespace,
        }
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(node) => write!(f, "{node}"),
            Self::Namespace(namespace) => write!(f, "{namespace}/*"),
        }
    }
}

/// The text is neither `NAMESPACE/NAME` nor `NAMESPACE/*`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither NAMESPACE/NAME nor NAMESPACE/*")]
pub struct NotAClaim;

impl FromStr for Claim {
    type Err = NotAClaim;

    fn from_str(text: &str) -> Result<Self, NotAClaim> {
        let node: Namespaced = text.parse().map_err(|_| NotAClaim)?;
        if node.namespace.contains('*') {
            return Err(NotAClaim);
        }
        match node.name.as_str() {
            "*" => Ok(Self::Namespace(node.namespace)),
            name if name.contains('*') => Err(NotAClaim),
            _ => Ok(Self::Node(node)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Claim;

    #[test]
    fn a_certificate_stands_for_a_node_or_a_namespace() {
        for (uri, expected) in [
            ("spiffe://mesh/ns/curl/node/curl", Some("curl/curl")),
            ("spiffe://cluster.local/ns/curl/sa/default", Some("curl/*")),
            ("spiffe://mesh/ns/curl/node/*", Some("curl/*")),
            ("spiffe://mesh/ns/curl/node/a/b", None),
            ("spiffe://mesh/ns/curl/node/", None),
            ("spiffe://mesh/ns//sa/default", None),
            ("spiffe:///ns/curl/sa/default", None),
            ("spiffe://mesh/ns/curl", None),
            ("spiffe://mesh/ns/curl/pod/curl", None),
            ("https://mesh/ns/curl/node/curl", None),
            ("", None),
        ] {
            let claim = Claim::of_uri(uri).map(|claim| claim.to_string());
            assert_eq!(claim.as_deref(), expected, "{uri}");
        }
    }

    #[test]
    fn a_claim_covers_its_node_or_its_namespace() {
        for (claim, node, expected) in [
            ("curl/curl", "curl/curl", true),
            ("curl/curl", "curl/other", false),
            ("curl/curl", "pipy/curl", false),
            ("curl/*", "curl/other", true),
            ("curl/*", "curl2/curl", false),
        ] {
            let claim: Claim = claim.parse().unwrap();
            assert_eq!(
                claim.covers(&node.parse().unwrap()),
                expected,
                "{claim} {node}"
            );
        }
        // In a certificate, `*` is a name like any other.
        let star = Claim::of_uri("spiffe://mesh/ns/curl/node/*").unwrap();
        assert!(!star.covers(&"curl/curl".parse().unwrap()));
    }

    #[test]
    fn other_claims_are_refused() {
        for text in ["", "curl", "*/*", "*/curl", "curl/c*", "a/b/c", "curl/"] {
            assert!(text.parse::<Claim>().is_err(), "{text}");
        }
    }
}
