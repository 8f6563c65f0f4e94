//! The way of requests to hosts that no rule names: to where DNS says, as without a sidecar.

use envoy_types::pb::envoy::config::cluster::v3::cluster::{
    ClusterDiscoveryType, CustomClusterType, DnsLookupFamily, LbPolicy,
};
use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::route::v3::{Route, VirtualHost};
use envoy_types::pb::envoy::extensions::clusters::dynamic_forward_proxy::v3::cluster_config::ClusterImplementationSpecifier;
use envoy_types::pb::envoy::extensions::clusters::dynamic_forward_proxy::v3::ClusterConfig;
use envoy_types::pb::envoy::extensions::common::dynamic_forward_proxy::v3::{
    DnsCacheCircuitBreakers, DnsCacheConfig,
};
use envoy_types::pb::envoy::extensions::filters::http::dynamic_forward_proxy::v3::filter_config::ImplementationSpecifier;
use envoy_types::pb::envoy::extensions::filters::http::dynamic_forward_proxy::v3::FilterConfig;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::HttpFilter;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::http_filter::ConfigType;
use envoy_types::util::pack_any;

use super::cluster;
use super::names::PASSTHROUGH;
use super::route;
use super::values::number;

/// The names that are looked up. The filter and the cluster share it, and Envoy wants it to be the same in both.
///
/// Both address families are looked up and tried, as an application does; the number of names has no bound that an
/// application alone would not have.
fn dns_cache() -> DnsCacheConfig {
    DnsCacheConfig {
        name: PASSTHROUGH.to_owned(),
        dns_lookup_family: DnsLookupFamily::All.into(),
        max_hosts: number(u32::MAX),
        dns_cache_circuit_breaker: Some(DnsCacheCircuitBreakers {
            max_pending_requests: number(u32::MAX),
        }),
        ..DnsCacheConfig::default()
    }
}

/// Looks up the Host before the router needs it.
pub(super) fn filter() -> HttpFilter {
    HttpFilter {
        name: "envoy.filters.http.dynamic_forward_proxy".to_owned(),
        config_type: Some(ConfigType::TypedConfig(pack_any(FilterConfig {
            implementation_specifier: Some(ImplementationSpecifier::DnsCacheConfig(dns_cache())),
            ..FilterConfig::default()
        }))),
        ..HttpFilter::default()
    }
}

/// Sends to what was looked up.
pub(super) fn cluster() -> Cluster {
    let config = ClusterConfig {
        // The options in question concern TLS, which is not spoken here.
        allow_insecure_cluster_options: true,
        cluster_implementation_specifier: Some(ClusterImplementationSpecifier::DnsCacheConfig(
            dns_cache(),
        )),
        ..ClusterConfig::default()
    };
    Cluster {
        name: PASSTHROUGH.to_owned(),
        lb_policy: LbPolicy::ClusterProvided.into(),
        cluster_discovery_type: Some(ClusterDiscoveryType::ClusterType(CustomClusterType {
            name: "envoy.clusters.dynamic_forward_proxy".to_owned(),
            typed_config: Some(pack_any(config)),
        })),
        ..cluster::unlimited()
    }
}

/// Every host that no other virtual host claims.
pub(super) fn virtual_host() -> VirtualHost {
    VirtualHost {
        name: PASSTHROUGH.to_owned(),
        domains: vec!["*".to_owned()],
        routes: vec![Route {
            r#match: Some(route::any_request()),
            action: Some(route::to_cluster(PASSTHROUGH, Vec::new())),
            ..Route::default()
        }],
        ..VirtualHost::default()
    }
}
