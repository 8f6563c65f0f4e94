//! The way of requests to hosts that no rule names: to where DNS says, as without a sidecar.

use envoy_types::pb::envoy::config::cluster::v3::cluster::{
    ClusterDiscoveryType, CustomClusterType, DnsLookupFamily, LbPolicy,
};
use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::core::v3::DataSource;
use envoy_types::pb::envoy::config::core::v3::data_source::Specifier;
use envoy_types::pb::envoy::config::route::v3::header_matcher::HeaderMatchSpecifier;
use envoy_types::pb::envoy::config::route::v3::route::Action;
use envoy_types::pb::envoy::config::route::v3::{
    DirectResponseAction, HeaderMatcher, Route, RouteMatch, VirtualHost,
};
use envoy_types::pb::envoy::extensions::clusters::dynamic_forward_proxy::v3::cluster_config::ClusterImplementationSpecifier;
use envoy_types::pb::envoy::extensions::clusters::dynamic_forward_proxy::v3::ClusterConfig;
use envoy_types::pb::envoy::extensions::common::dynamic_forward_proxy::v3::{
    DnsCacheCircuitBreakers, DnsCacheConfig,
};
use envoy_types::pb::envoy::extensions::filters::http::dynamic_forward_proxy::v3::filter_config::ImplementationSpecifier;
use envoy_types::pb::envoy::extensions::filters::http::dynamic_forward_proxy::v3::FilterConfig;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::HttpFilter;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::http_filter::ConfigType;
use envoy_types::pb::envoy::r#type::matcher::v3::string_matcher::MatchPattern;
use envoy_types::pb::envoy::r#type::matcher::v3::{RegexMatcher, StringMatcher};
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

/// Every host that no other virtual host claims, given the port that the proxy listens on. What `first` matches does not pass.
pub(super) fn virtual_host(listen: u16, first: Vec<Route>) -> VirtualHost {
    let rest = Route {
        r#match: Some(route::any_request()),
        action: Some(route::to_cluster(PASSTHROUGH, Vec::new())),
        ..Route::default()
    };
    VirtualHost {
        name: PASSTHROUGH.to_owned(),
        domains: vec!["*".to_owned()],
        routes: own_port(listen)
            .into_iter()
            .chain(first)
            .chain([rest])
            .collect(),
        ..VirtualHost::default()
    }
}

/// Answers a request for the port that the proxy listens on; `None` if the port is not known beforehand.
///
/// Such a request may be for the proxy itself, and would come back to it until it has no file descriptors left. An address
/// has many spellings, and what a name stands for is known to DNS only: so it is told by the port, and a host that does
/// serve something on the same port is reached without the proxy, or by a rule that names it.
fn own_port(listen: u16) -> Option<Route> {
    let regex = match listen {
        0 => return None,
        // A request that names no port means port 80 (RFC 9110, section 4.2.1).
        80 => r"(\[.*\]|[^:]*)(:|:\+?0*80)?".to_owned(),
        // The ways to write a number that Envoy reads as this one.
        port => format!(r".*:\+?0*{port}"),
    };
    let authority = HeaderMatcher {
        name: ":authority".to_owned(),
        header_match_specifier: Some(HeaderMatchSpecifier::StringMatch(StringMatcher {
            match_pattern: Some(MatchPattern::SafeRegex(RegexMatcher {
                regex,
                ..RegexMatcher::default()
            })),
            ..StringMatcher::default()
        })),
        ..HeaderMatcher::default()
    };
    let refusal = "the request names the port of the sidecar itself as its destination\n";
    Some(Route {
        r#match: Some(RouteMatch {
            headers: vec![authority],
            ..route::any_request()
        }),
        action: Some(Action::DirectResponse(DirectResponseAction {
            status: 508,
            body: Some(DataSource {
                specifier: Some(Specifier::InlineString(refusal.to_owned())),
                ..DataSource::default()
            }),
            ..DirectResponseAction::default()
        })),
        ..Route::default()
    })
}
