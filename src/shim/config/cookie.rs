//! Cookies that a listener takes out of requests, for routes to be chosen by them: two filters, one that reads a cookie and one
//! that keeps it.

use std::collections::BTreeMap;

use envoy_types::pb::envoy::config::core::v3::data_source::Specifier;
use envoy_types::pb::envoy::config::core::v3::substitution_format_string::Format;
use envoy_types::pb::envoy::extensions::filters::common::set_filter_state::v3::FilterStateValue;
use envoy_types::pb::envoy::extensions::filters::common::set_filter_state::v3::filter_state_value::{
    Key, Value,
};
use envoy_types::pb::envoy::extensions::filters::http::header_to_metadata::v3 as metadata;
use envoy_types::pb::envoy::extensions::filters::http::set_filter_state::v3 as state;

use super::Rejection;
use super::rejection::only;

/// The name of the cookie that is kept under each key.
pub(in crate::shim) type Cookies = BTreeMap<String, String>;

/// The formats of the cookies that the first filter reads, and their names.
pub(super) fn read(config: &metadata::Config) -> Result<Cookies, Rejection> {
    let mut read = Cookies::new();
    only(
        config.response_rules.is_empty(),
        "response_rules",
        "must be empty",
    )?;
    for (index, rule) in config.request_rules.iter().enumerate() {
        let wrong = || {
            let path = format!("request_rules[{index}]");
            Rejection::new(
                path,
                "must put a cookie as it is where it is found by its name",
            )
        };
        let pair = rule.on_header_present.as_ref().ok_or_else(wrong)?;
        let expected = metadata::config::KeyValuePair {
            metadata_namespace: pair.metadata_namespace.clone(),
            key: pair.key.clone(),
            ..metadata::config::KeyValuePair::default()
        };
        let fits = !rule.cookie.is_empty()
            && rule.header.is_empty()
            && rule.on_header_missing.is_none()
            && !rule.remove
            && *pair == expected;
        let format = format!(
            "%DYNAMIC_METADATA({}:{})%",
            pair.metadata_namespace, pair.key
        );
        let known = read.insert(format, rule.cookie.clone());
        if !fits || known.is_some() {
            return Err(wrong());
        }
    }
    Ok(read)
}

/// What the second filter keeps of them.
pub(super) fn kept(config: &state::Config, read: &Cookies) -> Result<Cookies, Rejection> {
    only(
        config.clear_route_cache,
        "clear_route_cache",
        "must be true",
    )?;
    let mut kept = Cookies::new();
    for (index, value) in config.on_request_headers.iter().enumerate() {
        let (key, cookie) = one(value, read).ok_or_else(|| {
            let path = format!("on_request_headers[{index}]");
            Rejection::new(path, "must keep a cookie as a text, if there is one")
        })?;
        kept.insert(key, cookie);
    }
    Ok(kept)
}

fn one(value: &FilterStateValue, read: &Cookies) -> Option<(String, String)> {
    let Some(Key::ObjectKey(key)) = &value.key else {
        return None;
    };
    let Some(Value::FormatString(format)) = &value.value else {
        return None;
    };
    let Some(Format::TextFormatSource(source)) = &format.format else {
        return None;
    };
    let Some(Specifier::InlineString(text)) = &source.specifier else {
        return None;
    };
    let fits =
        value.factory_key == "envoy.string" && value.skip_if_empty && format.omit_empty_values;
    let cookie = read.get(text).filter(|_| fits)?;
    Some((key.clone(), cookie.clone()))
}
