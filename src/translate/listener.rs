//! How HTTP is spoken to the application, and the listener of explicit capture: an HTTP forward proxy that leaves requests
//! and responses as they are.

use std::net::SocketAddr;

use envoy_types::pb::envoy::config::core::v3::{
    Http1ProtocolOptions, Http2ProtocolOptions, TrafficDirection,
};
use envoy_types::pb::envoy::config::listener::v3::filter::ConfigType as FilterConfig;
use envoy_types::pb::envoy::config::listener::v3::{Filter, FilterChain, Listener};
use envoy_types::pb::envoy::extensions::filters::http::router::v3::Router;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::http_connection_manager::{
    RouteSpecifier, ServerHeaderTransformation, UpgradeConfig,
};
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::http_filter::ConfigType as HttpFilterConfig;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpConnectionManager, HttpFilter, Rds,
};
use envoy_types::util::pack_any;

use super::access_log;
use super::cookie;
use super::framing;
use super::names::{LISTENER, ROUTES};
use super::passthrough;
use super::unaltered;
use super::values::{address, ads, number, seconds};
use crate::model::Group;

/// The most streams that an HTTP/2 connection can have (RFC 9113, section 5.1.1).
const STREAMS: u32 = 0x7fff_ffff;

/// The forward proxy at this address. If it refuses anything, it tells of it.
pub(super) fn forward_proxy(at: SocketAddr, group: &Group) -> Listener {
    let ports = group.destinations.iter().flat_map(|each| &each.ports);
    let mut filters = cookie::filters(ports);
    filters.push(passthrough::filter());
    let told = group.quarantine.iter().map(|_| access_log::of_requests());
    let manager = HttpConnectionManager {
        access_log: told.collect(),
        ..connection_manager(LISTENER, ROUTES, filters)
    };
    Listener {
        name: LISTENER.to_owned(),
        address: address(at),
        traffic_direction: TrafficDirection::Outbound.into(),
        filter_chains: vec![FilterChain {
            filters: vec![http(manager)],
            ..FilterChain::default()
        }],
        ..Listener::default()
    }
}

/// A connection manager as a filter.
pub(super) fn http(manager: HttpConnectionManager) -> Filter {
    Filter {
        name: "envoy.filters.network.http_connection_manager".to_owned(),
        config_type: Some(FilterConfig::TypedConfig(pack_any(manager))),
    }
}

/// Requests go through `filters`, then to where `routes` say; the statistics go by `name`.
pub(super) fn connection_manager(
    name: &str,
    routes: &str,
    mut filters: Vec<HttpFilter>,
) -> HttpConnectionManager {
    filters.push(router());
    HttpConnectionManager {
        stat_prefix: name.to_owned(),
        route_specifier: Some(RouteSpecifier::Rds(Rds {
            config_source: ads(),
            route_config_name: routes.to_owned(),
        })),
        early_header_mutation_extensions: vec![framing::note()],
        http_filters: filters,
        upgrade_configs: vec![UpgradeConfig {
            upgrade_type: "websocket".to_owned(),
            ..UpgradeConfig::default()
        }],
        server_header_transformation: ServerHeaderTransformation::PassThrough.into(),
        common_http_protocol_options: Some(unaltered::requests()),
        http_protocol_options: Some(Http1ProtocolOptions {
            accept_http_10: true,
            ..unaltered::http1()
        }),
        http2_protocol_options: Some(Http2ProtocolOptions {
            max_concurrent_streams: number(STREAMS),
            ..Http2ProtocolOptions::default()
        }),
        max_request_headers_kb: number(unaltered::HEADERS_KIB),
        // `Expect: 100-continue` is the server's to answer; so are other interim responses, such as 103.
        proxy_100_continue: true,
        stream_idle_timeout: seconds(0),
        skip_xff_append: true,
        // The pairing of a request with its copies: the caller's own if it sends one.
        preserve_external_request_id: true,
        ..HttpConnectionManager::default()
    }
}

fn router() -> HttpFilter {
    HttpFilter {
        name: "envoy.filters.http.router".to_owned(),
        config_type: Some(HttpFilterConfig::TypedConfig(pack_any(Router {
            // No `x-envoy-upstream-service-time` for the caller.
            suppress_envoy_headers: true,
            ..Router::default()
        }))),
        ..HttpFilter::default()
    }
}
