//! Settings by which a message passes as it came. The shim passes it so in any case: a setting may ask for it, or be
//! absent, but may not ask for something else.

use envoy_types::pb::envoy::config::core::v3::http1_protocol_options::header_key_format::HeaderFormat;
use envoy_types::pb::envoy::config::core::v3::{Http1ProtocolOptions, HttpProtocolOptions};
use envoy_types::pb::envoy::extensions::http::header_formatters::preserve_case::v3::PreserveCaseFormatterConfig;
use envoy_types::pb::google::protobuf::UInt32Value;
use prost::{Message, Name};

use super::rejection::only;
use super::{Rejection, Within};

/// The most headers that a message may have.
pub(in crate::shim) const MAX_HEADERS: u32 = 10_000;
/// KiB of headers that a message may have at most.
pub(in crate::shim) const MAX_HEADERS_KIB: u32 = 8192;

/// Options of HTTP/1 on either side.
pub(super) fn http1(options: Option<&Http1ProtocolOptions>) -> Result<(), Rejection> {
    let format = options
        .and_then(|options| options.header_key_format.as_ref())
        .and_then(|format| format.header_format.as_ref());
    let Some(format) = format else { return Ok(()) };
    let path = "header_key_format.stateful_formatter.typed_config";
    let config = match format {
        HeaderFormat::StatefulFormatter(extension) => extension.typed_config.as_ref(),
        HeaderFormat::ProperCaseWords(_) => None,
    };
    let config = config
        .filter(|any| any.type_url == PreserveCaseFormatterConfig::type_url())
        .ok_or_else(|| Rejection::new(path, "must be a PreserveCaseFormatterConfig"))?;
    let config = PreserveCaseFormatterConfig::decode(config.value.as_slice())
        .map_err(|error| Rejection::new(path, format!("cannot be decoded: {error}")))?;
    only(
        config.forward_reason_phrase,
        &format!("{path}.forward_reason_phrase"),
        "must be true",
    )
}

/// Limits on the headers of both versions.
pub(super) fn common(options: Option<&HttpProtocolOptions>) -> Result<(), Rejection> {
    let Some(options) = options else {
        return Ok(());
    };
    limit(options.max_headers_count.as_ref(), MAX_HEADERS).within("max_headers_count")?;
    limit(options.max_response_headers_kb.as_ref(), MAX_HEADERS_KIB)
        .within("max_response_headers_kb")
}

/// A limit that is the shim's own.
pub(super) fn limit(value: Option<&UInt32Value>, own: u32) -> Result<(), Rejection> {
    match value {
        Some(value) if value.value != own => Err(Rejection::new("", format!("must be {own}"))),
        _ => Ok(()),
    }
}
