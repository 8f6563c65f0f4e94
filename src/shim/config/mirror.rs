//! Mirror policies: what is copied, where to, and how the copy differs.

use envoy_types::pb::envoy::config::common::mutation_rules::v3 as rules;
use envoy_types::pb::envoy::config::core::v3::HeaderValueOption;
use envoy_types::pb::envoy::config::core::v3::header_value_option::HeaderAppendAction;
use envoy_types::pb::envoy::config::route::v3::route_action as proto;
use http::{HeaderName, HeaderValue, header};
use rules::header_mutation::Action;

use super::rejection::only;
use super::{Rejection, Within};
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

/// The Host of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::shim) enum HostRewrite {
    Keep,
    /// `-shadow` after the host, before the port.
    Suffix,
    Literal(HeaderValue),
}

/// A change of the copy's headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::shim) enum Mutation {
    Remove(HeaderName),
    Append(HeaderName, HeaderValue),
    AddIfAbsent(HeaderName, HeaderValue),
    Overwrite(HeaderName, HeaderValue),
    OverwriteIfPresent(HeaderName, HeaderValue),
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
            .map(|fraction| {
                let default = fraction.default_value.unwrap_or_default();
                Fraction::from_proto(&default)
                    .map(|default| Share {
                        key: fraction.runtime_key.clone(),
                        default,
                    })
                    .ok_or_else(|| {
                        Rejection::new(
                            "runtime_fraction.default_value.denominator",
                            "is not a denominator",
                        )
                    })
            })
            .transpose()?;
        let host = match message.host_rewrite_literal.as_str() {
            "" if message.disable_shadow_host_suffix_append => HostRewrite::Keep,
            "" => HostRewrite::Suffix,
            literal => HostRewrite::Literal(value("host_rewrite_literal", literal)?),
        };
        let mutations = message
            .request_headers_mutations
            .iter()
            .enumerate()
            .map(|(index, message)| {
                mutation(message).within(format!("request_headers_mutations[{index}]"))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            cluster: message.cluster.clone(),
            share,
            host,
            mutations,
        })
    }
}

fn mutation(message: &rules::HeaderMutation) -> Result<Mutation, Rejection> {
    match &message.action {
        Some(Action::Remove(header)) => Ok(Mutation::Remove(name("remove", header)?)),
        Some(Action::Append(option)) => append(option).within("append"),
        Some(Action::RemoveOnMatch(_)) | None => {
            Err(Rejection::new("", "must have `append` or `remove`"))
        }
    }
}

fn append(option: &HeaderValueOption) -> Result<Mutation, Rejection> {
    let Some(pair) = &option.header else {
        return Err(Rejection::new("header", "is missing"));
    };
    let (name, value) = (
        name("header.key", &pair.key)?,
        value("header.value", &pair.value)?,
    );
    only(
        !value.as_bytes().contains(&b'%'),
        "header.value",
        "must not have a `%`: formats are not expanded",
    )?;
    Ok(match option.append_action() {
        HeaderAppendAction::AppendIfExistsOrAdd => Mutation::Append(name, value),
        HeaderAppendAction::AddIfAbsent => Mutation::AddIfAbsent(name, value),
        HeaderAppendAction::OverwriteIfExistsOrAdd => Mutation::Overwrite(name, value),
        HeaderAppendAction::OverwriteIfExists => Mutation::OverwriteIfPresent(name, value),
    })
}

/// The name of a header that may be changed.
pub(super) fn name(path: &str, text: &str) -> Result<HeaderName, Rejection> {
    // Envoy refuses these too: the copy's Host is set by the policy itself.
    if text.starts_with(':') || text.eq_ignore_ascii_case(header::HOST.as_str()) {
        return Err(Rejection::new(
            path,
            format!("`{text}`: `:`-prefixed or host headers may not be modified"),
        ));
    }
    HeaderName::from_bytes(text.as_bytes())
        .map_err(|_| Rejection::new(path, format!("`{text}` is not a header name")))
}

fn value(path: &str, text: &str) -> Result<HeaderValue, Rejection> {
    HeaderValue::from_str(text)
        .map_err(|_| Rejection::new(path, format!("`{text}` is not a header value")))
}

#[cfg(test)]
mod tests {
    use envoy_types::pb::envoy::config::core::v3::HeaderValue as Pair;

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
            ("x", "%REQ(a)%", "formats are not expanded"),
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
