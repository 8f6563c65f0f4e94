//! Which requests may be copied, and how a copy differs from its request.
//!
//! The proxy streams a body to the shadow as it comes, and stops reading from the caller when the shadow stops reading. So
//! a body is copied only if it surely fits the shadow's buffers. A protocol upgrade is no request to copy, and neither is a copy.
//!
//! gRPC is the exception: the size of its bodies is not known beforehand. Measured with a shadow that reads nothing, 4 MiB
//! (the largest message that gRPC accepts by default) make nobody wait; a client that streams 20 MiB waits, once per
//! call, until the bound on the copy's duration ends the copy.

use envoy_types::pb::envoy::config::common::mutation_rules::v3::HeaderMutation;
use envoy_types::pb::envoy::config::common::mutation_rules::v3::header_mutation::Action;
use envoy_types::pb::envoy::config::core::v3::header_value_option::HeaderAppendAction;
use envoy_types::pb::envoy::config::core::v3::{
    HeaderValue, HeaderValueOption, RuntimeFractionalPercent,
};
use envoy_types::pb::envoy::config::route::v3::HeaderMatcher;
use envoy_types::pb::envoy::config::route::v3::header_matcher::HeaderMatchSpecifier;
use envoy_types::pb::envoy::config::route::v3::route_action::RequestMirrorPolicy;
use envoy_types::pb::envoy::r#type::matcher::v3::string_matcher::MatchPattern;
use envoy_types::pb::envoy::r#type::matcher::v3::{RegexMatcher, StringMatcher};
use envoy_types::pb::envoy::r#type::v3::fractional_percent::DenominatorType;
use envoy_types::pb::envoy::r#type::v3::{FractionalPercent, Int64Range};

use super::cluster;
use super::hosts::HostForm;
use super::names::{MIRROR_HEADER, ShareKey};
use crate::model::Mirror;

/// Bytes of the largest body that is copied.
const LARGEST_BODY: i64 = 1024 * 1024;

/// What becomes of the requests that a case matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// They may be copied.
    Copy,
    /// They are not copied.
    Spare,
}

/// The cases, of which the first that matches decides; `None` matches every request.
pub(super) fn cases() -> [(Option<HeaderMatcher>, Verdict); 7] {
    use HeaderMatchSpecifier as Is;
    let small = Int64Range {
        start: 0,
        end: LARGEST_BODY + 1,
    };
    let case = |name: &str, is| {
        Some(HeaderMatcher {
            name: name.to_owned(),
            header_match_specifier: Some(is),
            ..HeaderMatcher::default()
        })
    };
    let text = |pattern| {
        Is::StringMatch(StringMatcher {
            match_pattern: Some(pattern),
            ..StringMatcher::default()
        })
    };
    let grpc = text(MatchPattern::Prefix("application/grpc".to_owned()));
    let bodyless = text(MatchPattern::SafeRegex(RegexMatcher {
        regex: "GET|HEAD|OPTIONS|DELETE".to_owned(),
        ..RegexMatcher::default()
    }));
    [
        // Two rules, or an endpoint that is a sidecar, may lead a copy round in a circle.
        (case(MIRROR_HEADER, Is::PresentMatch(true)), Verdict::Spare),
        (case("upgrade", Is::PresentMatch(true)), Verdict::Spare),
        (case("content-length", Is::RangeMatch(small)), Verdict::Copy),
        (
            case("content-length", Is::PresentMatch(true)),
            Verdict::Spare,
        ),
        (case("content-type", grpc), Verdict::Copy),
        (case(":method", bodyless), Verdict::Copy),
        (None, Verdict::Spare),
    ]
}

/// The policies of the copies of requests that came to `form`.
pub(super) fn policies(mirrors: &[Mirror], form: &HostForm) -> Vec<RequestMirrorPolicy> {
    mirrors.iter().map(|mirror| policy(mirror, form)).collect()
}

fn policy(mirror: &Mirror, form: &HostForm) -> RequestMirrorPolicy {
    RequestMirrorPolicy {
        cluster: cluster::shadow_name(mirror),
        runtime_fraction: Some(RuntimeFractionalPercent {
            // Without its runtime layer a sidecar copies nothing.
            default_value: Some(FractionalPercent {
                numerator: 0,
                denominator: DenominatorType::Million.into(),
            }),
            runtime_key: ShareKey(mirror.rule.clone()).to_string(),
        }),
        disable_shadow_host_suffix_append: true,
        host_rewrite_literal: form.of_copy(&mirror.target.service).unwrap_or_default(),
        request_headers_mutations: vec![HeaderMutation {
            action: Some(Action::Append(HeaderValueOption {
                header: Some(HeaderValue {
                    key: MIRROR_HEADER.to_owned(),
                    value: mirror.rule.to_string(),
                    ..HeaderValue::default()
                }),
                append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
                ..HeaderValueOption::default()
            })),
        }],
        ..RequestMirrorPolicy::default()
    }
}
