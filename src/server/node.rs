//! Who the client of a stream is.

use std::sync::Arc;

use crate::name::Namespaced;
use crate::proto::envoy::config::core::v3 as core;

/// The first Envoy that can give a copy a Host of its own (`host_rewrite_literal` of a mirror policy).
const HOST_REWRITE_SINCE: (u32, u32) = (1, 36);

/// How much is kept of a text that a client chooses.
pub(super) const LONGEST: usize = 300;

/// The little that is kept of a node: Envoy's own message is 60 KB, most of it a list of its extensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    /// `node.id` as it came, cut to what a log line can bear.
    pub(super) id: Arc<str>,
    /// `node.id` as it came: by this the world knows it.
    pub(super) key: Arc<str>,
    /// The Pod or workload, if the id has the form `namespace/name`.
    name: Option<Namespaced>,
    /// `user_agent_name`, cut likewise.
    pub(super) agent: Arc<str>,
    /// Its version as text, cut likewise.
    pub(super) agent_version: Arc<str>,
    /// Major and minor version, if it is an Envoy and says so.
    envoy: Option<(u32, u32)>,
}

impl Node {
    /// Keeps what is needed of the message.
    pub(super) fn new(node: &core::Node) -> Self {
        let envoy = match &node.user_agent_version_type {
            Some(core::node::UserAgentVersionType::UserAgentBuildVersion(build))
                if node.user_agent_name == "envoy" =>
            {
                build
                    .version
                    .as_ref()
                    .map(|v| (v.major_number, v.minor_number))
            }
            _ => None,
        };
        Self {
            id: cut(&node.id),
            key: node.id.as_str().into(),
            agent: cut(&node.user_agent_name),
            agent_version: cut(&version_text(node)),
            name: node.id.parse().ok(),
            envoy,
        }
    }

    /// The Pod or workload, if the id names one.
    pub(super) fn name(&self) -> Option<&Namespaced> {
        self.name.as_ref()
    }

    /// The Envoy version, if it is too old to rewrite the Host of a copy.
    pub(super) fn too_old(&self) -> Option<(u32, u32)> {
        self.envoy.filter(|version| *version < HOST_REWRITE_SINCE)
    }
}

fn cut(text: &str) -> Arc<str> {
    text.chars().take(LONGEST).collect::<String>().into()
}

/// The client's version, in either of the two forms that the protocol has.
fn version_text(node: &core::Node) -> String {
    match &node.user_agent_version_type {
        Some(core::node::UserAgentVersionType::UserAgentVersion(text)) => text.clone(),
        Some(core::node::UserAgentVersionType::UserAgentBuildVersion(build)) => {
            let version = build.version.as_ref();
            version.map_or_else(String::new, |v| {
                format!("{}.{}.{}", v.major_number, v.minor_number, v.patch)
            })
        }
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::Node;
    use crate::proto::envoy::config::core::v3 as core;
    use crate::proto::envoy::r#type::v3::SemanticVersion;

    fn node(id: &str) -> core::Node {
        core::Node {
            id: id.to_owned(),
            ..Default::default()
        }
    }

    #[test]
    fn only_an_envoy_that_says_its_version_is_too_old() {
        for (agent, version, expected) in [
            ("envoy", Some((1, 35)), Some((1, 35))),
            ("envoy", Some((1, 36)), None),
            ("envoy", Some((2, 0)), None),
            ("envoy", None, None),
            ("gRPC C-core", Some((1, 0)), None),
        ] {
            let message = core::Node {
                user_agent_name: agent.to_owned(),
                user_agent_version_type: version.map(|(major_number, minor_number)| {
                    core::node::UserAgentVersionType::UserAgentBuildVersion(core::BuildVersion {
                        version: Some(SemanticVersion {
                            major_number,
                            minor_number,
                            patch: 0,
                        }),
                        metadata: None,
                    })
                }),
                ..node("curl/pod-1")
            };
            assert_eq!(
                Node::new(&message).too_old(),
                expected,
                "{agent} {version:?}"
            );
        }
    }

    #[test]
    fn a_long_id_is_cut_at_a_character() {
        let kept = Node::new(&node(&"ü".repeat(10_000)));
        assert_eq!(kept.id.chars().count(), 300);
    }
}
