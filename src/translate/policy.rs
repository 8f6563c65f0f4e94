//! Which copies are made of a request, and what a copy is given before it goes to its cluster.

use envoy_types::pb::envoy::config::common::mutation_rules::v3::HeaderMutation;
use envoy_types::pb::envoy::config::common::mutation_rules::v3::header_mutation::Action;
use envoy_types::pb::envoy::config::core::v3::RuntimeFractionalPercent;
use envoy_types::pb::envoy::config::route::v3::route_action::RequestMirrorPolicy;
use envoy_types::pb::envoy::r#type::v3::FractionalPercent;
use envoy_types::pb::envoy::r#type::v3::fractional_percent::DenominatorType;
use envoy_types::pb::google::protobuf::BoolValue;

use super::cluster;
use super::copy;
use super::hosts::HostForm;
use super::names::{MIRROR_HEADER, ShareKey};
use super::values::overwrite;
use crate::model::{CopyHost, Mirror, Sampled, Target};

/// The policies of the copies of requests that came to `form`.
pub(super) fn policies(mirrors: &[&Mirror], form: &HostForm) -> Vec<RequestMirrorPolicy> {
    mirrors.iter().map(|mirror| policy(mirror, form)).collect()
}

/// How many requests are copied.
pub(super) fn share(mirror: &Mirror) -> RuntimeFractionalPercent {
    RuntimeFractionalPercent {
        // Without its runtime layer a sidecar copies nothing.
        default_value: Some(FractionalPercent {
            numerator: 0,
            denominator: DenominatorType::Million.into(),
        }),
        runtime_key: ShareKey(mirror.rule.clone()).to_string(),
    }
}

fn policy(mirror: &Mirror, form: &HostForm) -> RequestMirrorPolicy {
    let host = &mirror.terms.copy.host;
    RequestMirrorPolicy {
        cluster: cluster::shadow_name(mirror),
        // What is sticky has been chosen before.
        runtime_fraction: mirror.terms.sticky.is_none().then(|| share(mirror)),
        disable_shadow_host_suffix_append: *host != CopyHost::Suffix,
        host_rewrite_literal: match host {
            CopyHost::Rename => match &mirror.target {
                Target::Service { backend, .. } => {
                    form.of_copy(&backend.service).unwrap_or_default()
                }
                Target::External(external) => external.authority(),
            },
            CopyHost::Keep | CopyHost::Suffix => String::new(),
            CopyHost::Literal(host) => host.clone(),
        },
        // For a sidecar that records traces itself.
        trace_sampled: mirror.terms.copy.tracing.map(|sampled| BoolValue {
            value: sampled == Sampled::Yes,
        }),
        request_headers_mutations: vec![
            HeaderMutation {
                action: Some(Action::Append(overwrite(
                    MIRROR_HEADER,
                    &mirror.rule.to_string(),
                ))),
            },
            copy::note(),
        ],
        ..RequestMirrorPolicy::default()
    }
}
