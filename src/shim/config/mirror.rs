//! Mirror policies: what is copied, where to, and how the copy differs.

use envoy_types::pb::envoy::config::core::v3::RuntimeFractionalPercent;
use envoy_types::pb::envoy::config::route::v3::route_action as proto;
use http::HeaderValue;

use super::mutation::{mutations, value};
use super::rejection::only;
use super::{Mutation, Rejection};
use crate::shim::runtime::Fraction;

/// One copy of the requests of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::shim) struct Mirror {
    /// The cluster the copy goes to.
    pub(in crate::shim) cluster: String,
    /// Which requests; `None` is all of them.
    pub(in crate::shim) share: Option<Share>,
    pub(in crate::shim) host: HostRewrite,
    pub(in crate::shim) mutations: Vec<Mutation>,
}

/// A share of the requests that can be changed at run time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::shim) struct Share {
    /// Where the share stands in the runtime; may be empty.
    pub(in crate::shim) key: String,
    /// The share where the runtime has none.
    pub(in crate::shim) default: Fraction,
}

impl Share {
    pub(super) fn from_proto(message: &RuntimeFractionalPercent) -> Result<Self, Rejection> {
        let default = message.default_value.unwrap_or_default();
        let default = Fraction::from_proto(&default).ok_or_else(|| {
            Rejection::new(
                "runtime_fraction.default_value.denominator",
                "is not a denominator",
            )
        })?;
        Ok(Self {
            key: message.runtime_key.clone(),
            default,
        })
    }
}

/// The Host of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::shim) enum HostRewrite {
    Keep,
    /// `-shadow` after the host, before the port.
    Suffix,
    Literal(HeaderValue),
}

impl Mirror {
    /// The mirror that a message of supported fields describes.
    pub(in crate::shim) fn from_proto(
        message: &proto::RequestMirrorPolicy,
    ) -> Result<Self, Rejection> {
        only(!message.cluster.is_empty(), "cluster", "must be set")?;
        let share = message
            .runtime_fraction
            .as_ref()
            .map(Share::from_proto)
            .transpose()?;
        let host = match message.host_rewrite_literal.as_str() {
            "" if message.disable_shadow_host_suffix_append => HostRewrite::Keep,
            "" => HostRewrite::Suffix,
            literal => HostRewrite::Literal(value("host_rewrite_literal", literal)?),
        };
        let mutations = mutations(
            "request_headers_mutations",
            &message.request_headers_mutations,
        )?;
        Ok(Self {
            cluster: message.cluster.clone(),
            share,
            host,
            mutations,
        })
    }
}

#[cfg(test)]
mod tests {
    use envoy_types::pb::envoy::config::common::mutation_rules::v3 as rules;
    use envoy_types::pb::envoy::config::core::v3::header_value_option::HeaderAppendAction;
    use envoy_types::pb::envoy::config::core::v3::{HeaderValue as Pair, HeaderValueOption};
    use rules::header_mutation::Action;

    use super::*;

    fn setting(key: &str, value: &str) -> proto::RequestMirrorPolicy {
        proto::RequestMirrorPolicy {
            cluster: "shadow".into(),
            request_headers_mutations: vec![rules::HeaderMutation {
                action: Some(Action::Append(HeaderValueOption {
                    header: Some(Pair {
                        key: key.into(),
                        value: value.into(),
                        ..Default::default()
                    }),
                    append_action: HeaderAppendAction::OverwriteIfExistsOrAdd as i32,
                    ..Default::default()
                })),
            }],
            ..Default::default()
        }
    }

    #[test]
    fn without_a_fraction_everything_is_mirrored_to_the_suffixed_host() {
        let mirror = Mirror::from_proto(&setting("x-a", "b")).unwrap();
        assert_eq!((mirror.share, mirror.host), (None, HostRewrite::Suffix));
        assert!(matches!(&mirror.mutations[..], [Mutation::Overwrite(name, _)] if name == "x-a"));
    }

    #[test]
    fn headers_that_cannot_be_set_are_refused_by_name() {
        for (key, value, message) in [
            (":path", "/", "may not be modified"),
            ("Host", "a", "may not be modified"),
            ("x y", "a", "not a header name"),
            ("x", "%PROTOCOL%", "are not expanded"),
            ("x", "a\nb", "not a header value"),
        ] {
            let text = Mirror::from_proto(&setting(key, value))
                .unwrap_err()
                .to_string();
            assert!(text.contains(message), "{text}");
            assert!(
                text.starts_with("request_headers_mutations[0].append.header."),
                "{text}"
            );
        }
    }
}
