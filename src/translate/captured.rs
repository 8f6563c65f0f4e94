//! Transparent capture: a listener for each address of a destination, to which the sidecar hands over the connections that
//! it was redirected.
//!
//! ```text
//! capture port (bootstrap) ─┬─ redirected, was going to IP:PORT of a destination ─► listener `IP:PORT`
//!                           └─ all others ─► on, to where they were going
//!
//! listener `IP:PORT` ─┬─ HTTP ─► routes `NS/SVC|PORT` ─┬─► cluster `passthrough`: on, to where it was going
//!                     │                                └─► shadow|RULE|NS/SVC|PORT
//!                     └─ anything else ─► cluster `passthrough`
//! ```
//!
//! A listener is named after its address alone: what becomes of a destination then touches the connections to its own
//! addresses and no others, and an address that passes from one Service to another is a change of one listener.

use std::net::SocketAddr;

use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::cluster::v3::cluster::{
    ClusterDiscoveryType, DiscoveryType, LbPolicy,
};
use envoy_types::pb::envoy::config::core::v3::{Http1ProtocolOptions, TrafficDirection};
use envoy_types::pb::envoy::config::listener::v3::filter::ConfigType as FilterConfig;
use envoy_types::pb::envoy::config::listener::v3::listener_filter::ConfigType as ListenerFilterConfig;
use envoy_types::pb::envoy::config::listener::v3::{
    Filter, FilterChain, FilterChainMatch, Listener, ListenerFilter,
};
use envoy_types::pb::envoy::extensions::filters::listener::http_inspector::v3::HttpInspector;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{HttpConnectionManager, HttpFilter};
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::http_connection_manager::UpgradeConfig;
use envoy_types::pb::envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy;
use envoy_types::pb::envoy::extensions::filters::network::tcp_proxy::v3::tcp_proxy::ClusterSpecifier;
use envoy_types::pb::google::protobuf::BoolValue;
use envoy_types::util::pack_any;

use super::access_log;
use super::cluster;
use super::cookie;
use super::listener;
use super::names::{PASSTHROUGH, REFUSED, ServicePort};
use super::quarantine;
use super::values::{address, seconds};
use crate::model::{Certainty, DestinationPort, Group};

/// Seconds for which the sidecar waits for the first bytes of a connection to a port of which HTTP is only assumed. A
/// server that speaks first, whose caller waits for it, is heard that much later. A port that is said to be HTTP has no such
/// bound: there the caller speaks first, even if it opened its connection long before it needs it.
const FIRST_BYTES_SECONDS: i64 = 1;

/// What the HTTP inspector calls the protocols that it knows.
const HTTP: [&str; 3] = ["http/1.0", "http/1.1", "h2c"];

/// What a caller may turn a connection into; the proxy refuses what it is not told of.
const UPGRADES: [&str; 4] = ["websocket", "CONNECT", "spdy/3.1", "tcp"];

/// The listeners of a group, by name.
pub(super) fn listeners(group: &Group) -> Vec<Listener> {
    let ports = group.destinations.iter().flat_map(|each| &each.ports);
    let otherwise = match group.quarantine {
        None => PASSTHROUGH,
        Some(_) => REFUSED,
    };
    let mut listeners: Vec<_> = ports
        .flat_map(|port| {
            let addresses = port.addresses.iter();
            addresses.map(|at| of_destination(port, *at, otherwise))
        })
        .collect();
    listeners.extend(group.quarantine.iter().flat_map(quarantine::listeners));
    listeners.sort_by(|a, b| a.name.cmp(&b.name));
    listeners
}

fn of_destination(port: &DestinationPort, at: SocketAddr, otherwise: &str) -> Listener {
    let patience = match port.certainty {
        // No bound at all.
        Certainty::Said => 0,
        Certainty::Assumed => FIRST_BYTES_SECONDS,
    };
    let name = ServicePort::from(&*port.backend).to_string();
    listener(at, &name, patience, otherwise, cookie::filters([port]))
}

/// Takes what comes to an address. HTTP goes by the routes of this name, all else to the cluster `otherwise`, and so does what
/// says nothing for so many seconds.
pub(super) fn listener(
    at: SocketAddr,
    name: &str,
    patience: i64,
    otherwise: &str,
    cookies: Vec<HttpFilter>,
) -> Listener {
    // Only what is refused is told.
    let is_told = otherwise == REFUSED;
    let is_http = FilterChainMatch {
        application_protocols: HTTP.map(str::to_owned).to_vec(),
        ..FilterChainMatch::default()
    };
    Listener {
        name: at.to_string(),
        address: address(at),
        bind_to_port: Some(BoolValue { value: false }),
        traffic_direction: TrafficDirection::Outbound.into(),
        listener_filters: vec![ListenerFilter {
            name: "envoy.filters.listener.http_inspector".to_owned(),
            config_type: Some(ListenerFilterConfig::TypedConfig(pack_any(
                HttpInspector {},
            ))),
            ..ListenerFilter::default()
        }],
        listener_filters_timeout: seconds(patience),
        continue_on_listener_filters_timeout: true,
        filter_chains: vec![FilterChain {
            filter_chain_match: Some(is_http),
            filters: vec![listener::http(connection_manager(
                name, at, is_told, cookies,
            ))],
            ..FilterChain::default()
        }],
        default_filter_chain: Some(FilterChain {
            filters: vec![as_it_is(name, otherwise)],
            ..FilterChain::default()
        }),
        ..Listener::default()
    }
}

/// Takes what comes to an address, and lets all of it pass as if it were not there.
pub(super) fn unlooked(at: SocketAddr, name: &str) -> Listener {
    Listener {
        name: at.to_string(),
        address: address(at),
        bind_to_port: Some(BoolValue { value: false }),
        traffic_direction: TrafficDirection::Outbound.into(),
        filter_chains: vec![FilterChain {
            filters: vec![as_it_is(name, PASSTHROUGH)],
            ..FilterChain::default()
        }],
        ..Listener::default()
    }
}

fn connection_manager(
    name: &str,
    at: SocketAddr,
    is_told: bool,
    cookies: Vec<HttpFilter>,
) -> HttpConnectionManager {
    let common = listener::connection_manager(name, name, cookies);
    let upgrades = UPGRADES.iter().map(|upgrade| UpgradeConfig {
        upgrade_type: (*upgrade).to_owned(),
        ..UpgradeConfig::default()
    });
    HttpConnectionManager {
        upgrade_configs: upgrades.collect(),
        access_log: is_told.then(access_log::of_requests).into_iter().collect(),
        http_protocol_options: common.http_protocol_options.map(|options| {
            Http1ProtocolOptions {
                // HTTP/1.0 need not name a host, and the proxy refuses what names none.
                default_host_for_http_10: at.to_string(),
                ..options
            }
        }),
        ..common
    }
}

/// Byte for byte, for as long as both ends like.
fn as_it_is(name: &str, cluster: &str) -> Filter {
    let proxy = TcpProxy {
        stat_prefix: name.to_owned(),
        cluster_specifier: Some(ClusterSpecifier::Cluster(cluster.to_owned())),
        idle_timeout: seconds(0),
        access_log: (cluster == REFUSED)
            .then(access_log::of_connections)
            .into_iter()
            .collect(),
        ..TcpProxy::default()
    };
    Filter {
        name: "envoy.filters.network.tcp_proxy".to_owned(),
        config_type: Some(FilterConfig::TypedConfig(pack_any(proxy))),
    }
}

/// The only cluster of all that is not copied: to the very address that the caller connected to.
///
/// It is there even if nothing is mirrored. A connection that a listener has taken stays with the routes of that listener,
/// also when the rule for the destination is gone; a cluster of the destination's own would be gone with it, and the next
/// request on that connection lost.
///
/// A caller's connection has connections of its own to the server, as without the sidecar; so what a server ties to a
/// connection, such as who has logged in on it, stays with that caller. For HTTP they close when nobody has used them for a
/// second, as those of explicit capture do. That ends them soon after the caller's own connection, which the proxy does not
/// do by itself. And a request that meets the server's close on its way would be answered with 503, where without the
/// sidecar the caller's library sees the close, and most then repeat the request unasked.
pub(super) fn passthrough() -> Cluster {
    Cluster {
        name: PASSTHROUGH.to_owned(),
        lb_policy: LbPolicy::ClusterProvided.into(),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(
            DiscoveryType::OriginalDst.into(),
        )),
        connection_pool_per_downstream_connection: true,
        ..cluster::unlimited()
    }
}

#[cfg(test)]
#[path = "captured_tests.rs"]
pub(super) mod tests;
