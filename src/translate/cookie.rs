//! Cookies by which users are told apart: what has to happen to a request before its routes can be chosen by one.
//!
//! A header can be looked at by itself, one cookie of several cannot. So a filter takes the cookie out, another puts it where the
//! choice of routes finds it, and the routes are chosen once more. Nothing of it is seen outside the proxy: no header is added, and
//! without such a mirror there are no such filters.

use std::collections::BTreeSet;

use envoy_types::pb::envoy::config::core::v3::data_source::Specifier;
use envoy_types::pb::envoy::config::core::v3::substitution_format_string::Format;
use envoy_types::pb::envoy::config::core::v3::{DataSource, SubstitutionFormatString};
use envoy_types::pb::envoy::extensions::filters::common::set_filter_state::v3::FilterStateValue;
use envoy_types::pb::envoy::extensions::filters::common::set_filter_state::v3::filter_state_value::{
    Key, Value,
};
use envoy_types::pb::envoy::extensions::filters::http::header_to_metadata::v3 as metadata;
use envoy_types::pb::envoy::extensions::filters::http::header_to_metadata::v3::config::{
    KeyValuePair, Rule,
};
use envoy_types::pb::envoy::extensions::filters::http::set_filter_state::v3 as state;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::HttpFilter;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::http_filter::ConfigType;
use envoy_types::pb::google::protobuf::Any;
use envoy_types::util::pack_any;

use crate::model::{DestinationPort, Sticky};

/// Where the first filter puts what it takes out.
const NAMESPACE: &str = "mirrorplane";

/// Where the choice of routes finds a cookie.
pub(super) fn key(cookie: &str) -> String {
    format!("{NAMESPACE}.cookie.{cookie}")
}

/// The filters that take out the cookies which the mirrors of these destinations ask for; none if they ask for none.
pub(super) fn filters<'m>(ports: impl IntoIterator<Item = &'m DestinationPort>) -> Vec<HttpFilter> {
    let mirrors = ports.into_iter().flat_map(|port| &port.mirrors);
    let cookies = mirrors.filter_map(|mirror| match &mirror.terms.sticky {
        Some(Sticky::Cookie(name)) => Some(name.as_str()),
        _ => None,
    });
    let cookies: BTreeSet<&str> = cookies.collect();
    if cookies.is_empty() {
        return Vec::new();
    }
    let taken = metadata::Config {
        request_rules: cookies.iter().map(|cookie| rule(cookie)).collect(),
        ..metadata::Config::default()
    };
    let put = state::Config {
        on_request_headers: cookies.iter().map(|cookie| value(cookie)).collect(),
        clear_route_cache: true,
    };
    vec![
        filter("header_to_metadata", pack_any(taken)),
        filter("set_filter_state", pack_any(put)),
    ]
}

fn rule(cookie: &str) -> Rule {
    Rule {
        cookie: cookie.to_owned(),
        on_header_present: Some(KeyValuePair {
            metadata_namespace: NAMESPACE.to_owned(),
            key: cookie.to_owned(),
            ..KeyValuePair::default()
        }),
        ..Rule::default()
    }
}

fn value(cookie: &str) -> FilterStateValue {
    let format = DataSource {
        specifier: Some(Specifier::InlineString(format!(
            "%DYNAMIC_METADATA({NAMESPACE}:{cookie})%"
        ))),
        ..DataSource::default()
    };
    FilterStateValue {
        key: Some(Key::ObjectKey(key(cookie))),
        factory_key: "envoy.string".to_owned(),
        // Without the cookie there is nothing.
        skip_if_empty: true,
        value: Some(Value::FormatString(SubstitutionFormatString {
            omit_empty_values: true,
            format: Some(Format::TextFormatSource(format)),
            ..SubstitutionFormatString::default()
        })),
        ..FilterStateValue::default()
    }
}

fn filter(name: &str, config: Any) -> HttpFilter {
    HttpFilter {
        name: format!("envoy.filters.http.{name}"),
        config_type: Some(ConfigType::TypedConfig(config)),
        ..HttpFilter::default()
    }
}
