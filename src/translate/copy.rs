//! How a copy differs from its request, beyond its Host: the filters of its cluster.
//!
//! They come after the proxy itself has made the copy, and so after what that does to it: it says that the request is from
//! within (`x-envoy-internal: true`), whoever sent it, and adds its own address to `x-forwarded-for`. Neither is true, and a
//! shadow would take it for true; so both are put right here. One message per mirror says it, where the routes would say it
//! again for each form of a Host.
//!
//! No filter here may answer by itself: on the cluster of a mirror that crashes the proxy.

use envoy_types::pb::envoy::config::common::mutation_rules::v3 as rules;
use envoy_types::pb::envoy::config::common::mutation_rules::v3::header_mutation::Action;
use envoy_types::pb::envoy::config::core::v3::DataSource;
use envoy_types::pb::envoy::config::core::v3::data_source::Specifier;
use envoy_types::pb::envoy::extensions::filters::http::header_mutation::v3::{
    HeaderMutation, Mutations,
};
use envoy_types::pb::envoy::extensions::filters::http::lua::v3::Lua;
use envoy_types::pb::envoy::extensions::filters::http::upstream_codec::v3::UpstreamCodec;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::HttpFilter;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::http_filter::ConfigType;
use envoy_types::pb::google::protobuf::Any;
use envoy_types::util::pack_any;

use super::latency;
use super::names::FORWARDED_HEADER;
use super::script;
use super::trace;
use super::values::{append, overwrite};
use crate::model::{CopyPolicy, Credentials, Terms};

/// The client as the request says it.
const FORWARDED_FOR: &str = "x-forwarded-for";
/// What Envoy believes of a request that it trusts.
const INTERNAL: &str = "x-envoy-internal";
/// What proves who the caller is.
const CREDENTIALS: [&str; 3] = ["authorization", "proxy-authorization", "cookie"];

/// Notes the client in a copy, for [`filters`] to put it right. A request without one gets no note.
pub(super) fn note() -> rules::HeaderMutation {
    appended(FORWARDED_HEADER, &value_of(FORWARDED_FOR))
}

/// The filters that copies pass on their way out, and their answers on the way back.
pub(super) fn filters(terms: &Terms) -> Vec<HttpFilter> {
    let copy = &terms.copy;
    let headers = HeaderMutation {
        mutations: Some(Mutations {
            request_mutations: mutations(copy),
            ..Mutations::default()
        }),
        ..HeaderMutation::default()
    };
    let path = copy.path.as_ref().map(|path| lua(script::of(path)));
    let slow = terms.slow_after.map(|after| lua(latency::of(after)));
    let tracing = copy.tracing.map(|sampled| lua(trace::of(sampled)));
    // What the user says of single headers comes last.
    tracing
        .into_iter()
        .chain([filter("header_mutation", pack_any(headers))])
        .chain(path)
        .chain(slow)
        .chain([filter("upstream_codec", pack_any(UpstreamCodec {}))])
        .collect()
}

fn lua(script: String) -> HttpFilter {
    let lua = Lua {
        default_source_code: Some(DataSource {
            specifier: Some(Specifier::InlineString(script)),
            ..DataSource::default()
        }),
        ..Lua::default()
    };
    filter("lua", pack_any(lua))
}

fn filter(name: &str, config: Any) -> HttpFilter {
    HttpFilter {
        name: format!("envoy.filters.http.{name}"),
        config_type: Some(ConfigType::TypedConfig(config)),
        ..HttpFilter::default()
    }
}

fn mutations(copy: &CopyPolicy) -> Vec<rules::HeaderMutation> {
    let edits = &copy.headers;
    let credentials = match copy.credentials {
        Credentials::Keep => &[][..],
        Credentials::Strip => &CREDENTIALS,
    };
    let set = |(name, value): (&String, &String)| rules::HeaderMutation {
        action: Some(Action::Append(overwrite(name, &literal(value)))),
    };
    let mut mutations = vec![
        removed(INTERNAL),
        removed(FORWARDED_FOR),
        appended(FORWARDED_FOR, &value_of(FORWARDED_HEADER)),
        removed(FORWARDED_HEADER),
    ];
    mutations.extend(credentials.iter().copied().map(removed));
    mutations.extend(edits.remove.iter().map(|name| removed(name)));
    mutations.extend(edits.set.iter().map(set));
    let added = edits.add.iter();
    mutations.extend(added.map(|(name, value)| appended(name, &literal(value))));
    mutations
}

fn removed(name: &str) -> rules::HeaderMutation {
    rules::HeaderMutation {
        action: Some(Action::Remove(name.to_owned())),
    }
}

fn appended(name: &str, value: &str) -> rules::HeaderMutation {
    rules::HeaderMutation {
        action: Some(Action::Append(append(name, value))),
    }
}

/// The format of what a request has under this name. It is nothing if the request has nothing, and then no header is made.
fn value_of(name: &str) -> String {
    format!("%REQ({name})%")
}

/// The format of a text as it is.
fn literal(text: &str) -> String {
    text.replace('%', "%%")
}
