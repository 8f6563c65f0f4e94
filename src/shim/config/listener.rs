//! Listeners.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use envoy_types::pb::envoy::config::accesslog::v3::AccessLog;
use envoy_types::pb::envoy::config::accesslog::v3::access_log::ConfigType as LogConfig;
use envoy_types::pb::envoy::config::accesslog::v3::access_log_filter::FilterSpecifier;
use envoy_types::pb::envoy::config::accesslog::v3::grpc_status_filter::Status;
use envoy_types::pb::envoy::config::core::v3::config_source::ConfigSourceSpecifier;
use envoy_types::pb::envoy::config::listener::v3 as proto;
use envoy_types::pb::envoy::extensions::access_loggers::grpc::v3::HttpGrpcAccessLogConfig;
use envoy_types::pb::envoy::extensions::filters::http::dynamic_forward_proxy::v3::FilterConfig;
use envoy_types::pb::envoy::extensions::filters::http::header_to_metadata::v3 as metadata;
use envoy_types::pb::envoy::extensions::filters::http::router::v3::Router;
use envoy_types::pb::envoy::extensions::filters::http::set_filter_state::v3 as state;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3 as hcm;
use hcm::HttpConnectionManager;
use hcm::http_connection_manager::{CodecType, RouteSpecifier, ServerHeaderTransformation};
use http::HeaderName;
use prost::{Message, Name};
use proto::filter::ConfigType;

use super::cookie;
use super::cookie::Cookies;
use super::endpoint::socket;
use super::framing;
use super::rejection::only;
use super::unaltered;
use super::{Rejection, Within};

/// An accepted listener: an HTTP proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::shim) struct Listener {
    /// Where it listens; port 0 lets the system choose.
    pub(in crate::shim) address: SocketAddr,
    /// Name of its route configuration.
    pub(in crate::shim) routes: String,
    /// Protocols that a connection may change to, in lower case.
    pub(in crate::shim) upgrades: BTreeSet<String>,
    /// Where it notes how the body of a request is delimited.
    pub(in crate::shim) framing: Option<HeaderName>,
    /// Streams that an HTTP/2 connection may have at once.
    pub(in crate::shim) streams: u32,
    /// Cookies by which routes may be chosen.
    pub(in crate::shim) cookies: Cookies,
    /// Whether it tells which requests it refused.
    pub(in crate::shim) tells: bool,
}

/// HTTP/2's own limit, and Envoy's (RFC 9113, section 5.1.1).
const MAX_STREAMS: u32 = 0x7fff_ffff;

impl Listener {
    /// The listener that a message of supported fields describes.
    pub(in crate::shim) fn from_proto(message: &proto::Listener) -> Result<Self, Rejection> {
        let address = socket(message.address.as_ref(), "address")?;
        let [chain] = message.filter_chains.as_slice() else {
            return Err(Rejection::new(
                "filter_chains",
                "must have exactly one item",
            ));
        };
        let [filter] = chain.filters.as_slice() else {
            return Err(Rejection::new(
                "filter_chains[0].filters",
                "must have exactly one item",
            ));
        };
        let path = "filter_chains[0].filters[0].typed_config";
        let manager = match &filter.config_type {
            Some(ConfigType::TypedConfig(any))
                if any.type_url == HttpConnectionManager::type_url() =>
            {
                HttpConnectionManager::decode(any.value.as_slice())
                    .map_err(|error| Rejection::new(path, format!("cannot be decoded: {error}")))?
            }
            _ => return Err(Rejection::new(path, "must be an HttpConnectionManager")),
        };
        let (routes, upgrades) = connection_manager(&manager).within(path)?;
        let cookies = filters(&manager.http_filters).within(path)?;
        let framing = framing::header(&manager.early_header_mutation_extensions).within(path)?;
        let tells = tells(&manager.access_log).within(path)?;
        let streams = manager
            .http2_protocol_options
            .and_then(|options| options.max_concurrent_streams)
            .map_or(MAX_STREAMS, |streams| streams.value);
        Ok(Self {
            address,
            routes,
            upgrades,
            framing,
            streams,
            cookies,
            tells,
        })
    }
}

/// Whether there is the one access log that is supported: of what is refused.
fn tells(logs: &[AccessLog]) -> Result<bool, Rejection> {
    let [log] = logs else {
        only(logs.is_empty(), "access_log", "must have one item at most")?;
        return Ok(false);
    };
    let filter = log.filter.as_ref();
    let of_refused = matches!(
        filter.and_then(|filter| filter.filter_specifier.as_ref()),
        Some(FilterSpecifier::GrpcStatusFilter(filter))
            if filter.statuses == [i32::from(Status::PermissionDenied)]
    );
    only(
        of_refused,
        "access_log[0].filter",
        "must be the grpc_status_filter of PERMISSION_DENIED",
    )?;
    let is_grpc = matches!(
        &log.config_type,
        Some(LogConfig::TypedConfig(any)) if any.type_url == HttpGrpcAccessLogConfig::type_url()
    );
    only(
        is_grpc,
        "access_log[0].typed_config",
        "must be an HttpGrpcAccessLogConfig",
    )?;
    Ok(true)
}

/// The shim leaves requests and answers as they are, so whatever would change them must be switched off.
fn connection_manager(
    message: &HttpConnectionManager,
) -> Result<(String, BTreeSet<String>), Rejection> {
    only(
        message.codec_type == CodecType::Auto as i32,
        "codec_type",
        "must be AUTO",
    )?;
    only(
        message.server_header_transformation == ServerHeaderTransformation::PassThrough as i32,
        "server_header_transformation",
        "must be PASS_THROUGH",
    )?;
    only(message.skip_xff_append, "skip_xff_append", "must be true")?;
    only(
        message.preserve_external_request_id,
        "preserve_external_request_id",
        "must be true",
    )?;
    only(
        message
            .stream_idle_timeout
            .as_ref()
            .is_some_and(|t| t.seconds == 0 && t.nanos == 0),
        "stream_idle_timeout",
        "must be 0s",
    )?;
    only(
        message
            .http_protocol_options
            .as_ref()
            .is_some_and(|options| options.accept_http_10),
        "http_protocol_options.accept_http_10",
        "must be true",
    )?;
    unaltered::http1(message.http_protocol_options.as_ref()).within("http_protocol_options")?;
    unaltered::common(message.common_http_protocol_options.as_ref())
        .within("common_http_protocol_options")?;
    only(
        message
            .common_http_protocol_options
            .as_ref()
            .is_none_or(|options| options.max_requests_per_connection.is_none()),
        "common_http_protocol_options.max_requests_per_connection",
        "must be absent",
    )?;
    unaltered::limit(
        message.max_request_headers_kb.as_ref(),
        unaltered::MAX_HEADERS_KIB,
    )
    .within("max_request_headers_kb")?;
    let Some(RouteSpecifier::Rds(rds)) = &message.route_specifier else {
        return Err(Rejection::new("rds", "is missing"));
    };
    let source = rds
        .config_source
        .as_ref()
        .and_then(|source| source.config_source_specifier.as_ref());
    only(
        matches!(source, Some(ConfigSourceSpecifier::Ads(_))),
        "rds.config_source",
        "must be `ads`",
    )?;
    let upgrades = message
        .upgrade_configs
        .iter()
        .filter(|upgrade| upgrade.enabled.as_ref().is_none_or(|enabled| enabled.value))
        .map(|upgrade| upgrade.upgrade_type.to_ascii_lowercase())
        .collect();
    Ok((rds.route_config_name.clone(), upgrades))
}

/// The router must be the last; before it may come filters that take out cookies, and the one that looks up hosts. Yields the
/// cookies.
fn filters(filters: &[hcm::HttpFilter]) -> Result<Cookies, Rejection> {
    use hcm::http_filter::ConfigType;

    let last = filters.len().saturating_sub(1);
    let (mut read, mut kept) = (Cookies::new(), Cookies::new());
    for (index, filter) in filters.iter().take(last).enumerate() {
        let path = format!("http_filters[{index}].typed_config");
        let (url, body) = match &filter.config_type {
            Some(ConfigType::TypedConfig(any)) => (any.type_url.as_str(), any.value.as_slice()),
            _ => ("", &[][..]),
        };
        let undecoded = |error| Rejection::new("", format!("cannot be decoded: {error}"));
        if url == metadata::Config::type_url() {
            let config = metadata::Config::decode(body).map_err(undecoded);
            read = config
                .and_then(|config| cookie::read(&config))
                .within(path)?;
        } else if url == state::Config::type_url() {
            let config = state::Config::decode(body).map_err(undecoded);
            kept = config
                .and_then(|config| cookie::kept(&config, &read))
                .within(path)?;
        } else {
            only(
                url == FilterConfig::type_url(),
                &path,
                "must be a dynamic_forward_proxy FilterConfig, or take out cookies",
            )?;
        }
    }
    let path = format!("http_filters[{last}].typed_config");
    let router = match filters
        .last()
        .and_then(|filter| filter.config_type.as_ref())
    {
        Some(ConfigType::TypedConfig(any)) if any.type_url == Router::type_url() => {
            Router::decode(any.value.as_slice())
                .map_err(|error| Rejection::new(&path, format!("cannot be decoded: {error}")))?
        }
        _ => {
            return Err(Rejection::new(
                path,
                "must be the Router, last of all filters",
            ));
        }
    };
    only(
        router.suppress_envoy_headers,
        &format!("{path}.suppress_envoy_headers"),
        "must be true",
    )?;
    Ok(kept)
}
