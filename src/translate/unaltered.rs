//! How a message passes through the proxy as it came.
//!
//! By default a proxy writes HTTP/1 header names in lower case, replaces the reason phrase, drops trailers, and refuses a
//! message with more than a hundred headers or 60 KiB of them. All of that would be seen by the caller.

use envoy_types::pb::envoy::config::core::v3::http1_protocol_options::HeaderKeyFormat;
use envoy_types::pb::envoy::config::core::v3::http1_protocol_options::header_key_format::HeaderFormat;
use envoy_types::pb::envoy::config::core::v3::{
    Http1ProtocolOptions, HttpProtocolOptions, TypedExtensionConfig,
};
use envoy_types::pb::envoy::extensions::http::header_formatters::preserve_case::v3::PreserveCaseFormatterConfig;
use envoy_types::util::pack_any;

use super::values::number;

/// KiB of headers; the most that Envoy can be told.
pub(super) const HEADERS_KIB: u32 = 8192;
const HEADERS: u32 = 10_000;

/// HTTP/1 with its header names, reason phrase and trailers as they came.
pub(super) fn http1() -> Http1ProtocolOptions {
    Http1ProtocolOptions {
        header_key_format: Some(HeaderKeyFormat {
            header_format: Some(HeaderFormat::StatefulFormatter(TypedExtensionConfig {
                name: "preserve_case".to_owned(),
                typed_config: Some(pack_any(PreserveCaseFormatterConfig {
                    forward_reason_phrase: true,
                    ..PreserveCaseFormatterConfig::default()
                })),
            })),
        }),
        enable_trailers: true,
        ..Http1ProtocolOptions::default()
    }
}

/// As many headers as both ends agree on.
pub(super) fn requests() -> HttpProtocolOptions {
    HttpProtocolOptions {
        max_headers_count: number(HEADERS),
        ..HttpProtocolOptions::default()
    }
}

/// As [`requests`], for the side that receives responses.
pub(super) fn responses() -> HttpProtocolOptions {
    HttpProtocolOptions {
        max_response_headers_kb: number(HEADERS_KIB),
        ..requests()
    }
}
