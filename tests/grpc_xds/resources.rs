//! What a gRPC client needs of each type: an API listener, routes, clusters, weighted places.

use std::net::SocketAddr;

use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::cluster::v3::cluster;
use envoy_types::pb::envoy::config::core::v3 as core;
use envoy_types::pb::envoy::config::endpoint::v3 as endpoint;
use envoy_types::pb::envoy::config::listener::v3 as listener;
use envoy_types::pb::envoy::config::route::v3 as route;
use envoy_types::pb::envoy::extensions::filters::http::router::v3::Router;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3 as hcm;
use envoy_types::pb::google::protobuf::UInt32Value;
use envoy_types::util::pack_any;
use mirrorplane::embed::Named;
use mirrorplane::snapshot::ResourceType;

/// The client calls `xds:///service`.
pub(crate) const TARGET: &str = "service";
/// The name of the routes.
pub(crate) const ROUTES: &str = "service-routes";

fn ads() -> Option<core::ConfigSource> {
    let ads = core::AggregatedConfigSource::default();
    Some(core::ConfigSource {
        resource_api_version: core::ApiVersion::V3.into(),
        config_source_specifier: Some(core::config_source::ConfigSourceSpecifier::Ads(ads)),
        ..Default::default()
    })
}

/// The listener that stands for the target.
pub(crate) fn listener() -> Named {
    let router = hcm::HttpFilter {
        name: "router".to_owned(),
        config_type: Some(hcm::http_filter::ConfigType::TypedConfig(pack_any(
            Router::default(),
        ))),
        ..Default::default()
    };
    let rds = hcm::Rds {
        config_source: ads(),
        route_config_name: ROUTES.to_owned(),
    };
    let manager = hcm::HttpConnectionManager {
        http_filters: vec![router],
        route_specifier: Some(hcm::http_connection_manager::RouteSpecifier::Rds(rds)),
        ..Default::default()
    };
    let message = listener::Listener {
        name: TARGET.to_owned(),
        api_listener: Some(listener::ApiListener {
            api_listener: Some(pack_any(manager)),
        }),
        ..Default::default()
    };
    Named::message(ResourceType::Listener, TARGET, &message)
}

/// Routes that lead every call to a cluster.
pub(crate) fn routes_to(cluster: &str) -> Named {
    let action = route::RouteAction {
        cluster_specifier: Some(route::route_action::ClusterSpecifier::Cluster(
            cluster.to_owned(),
        )),
        ..Default::default()
    };
    let everything = route::RouteMatch {
        path_specifier: Some(route::route_match::PathSpecifier::Prefix(String::new())),
        ..Default::default()
    };
    let host = route::VirtualHost {
        name: TARGET.to_owned(),
        domains: vec![TARGET.to_owned()],
        routes: vec![route::Route {
            r#match: Some(everything),
            action: Some(route::route::Action::Route(action)),
            ..Default::default()
        }],
        ..Default::default()
    };
    let message = route::RouteConfiguration {
        name: ROUTES.to_owned(),
        virtual_hosts: vec![host],
        ..Default::default()
    };
    Named::message(ResourceType::Route, ROUTES, &message)
}

/// A cluster whose endpoints come as the endpoints of its name.
pub(crate) fn cluster(name: &str) -> Named {
    let message = Cluster {
        name: name.to_owned(),
        lb_policy: cluster::LbPolicy::RoundRobin.into(),
        cluster_discovery_type: Some(cluster::ClusterDiscoveryType::Type(
            cluster::DiscoveryType::Eds.into(),
        )),
        eds_cluster_config: Some(cluster::EdsClusterConfig {
            eds_config: ads(),
            service_name: String::new(),
        }),
        ..Default::default()
    };
    Named::message(ResourceType::Cluster, name, &message)
}

/// The endpoints of a cluster, in places with weights. gRPC passes over a place without a weight.
pub(crate) fn endpoints(cluster: &str, places: &[(u32, &[SocketAddr])]) -> Named {
    let places = places.iter().enumerate();
    let places = places.map(
        |(number, (weight, addresses))| endpoint::LocalityLbEndpoints {
            locality: Some(core::Locality {
                zone: format!("zone-{number}"),
                ..Default::default()
            }),
            load_balancing_weight: Some(UInt32Value { value: *weight }),
            lb_endpoints: addresses.iter().copied().map(at).collect(),
            ..Default::default()
        },
    );
    let message = endpoint::ClusterLoadAssignment {
        cluster_name: cluster.to_owned(),
        endpoints: places.collect(),
        ..Default::default()
    };
    Named::message(ResourceType::Endpoint, cluster, &message)
}

fn at(address: SocketAddr) -> endpoint::LbEndpoint {
    let port = core::socket_address::PortSpecifier::PortValue(address.port().into());
    let socket = core::SocketAddress {
        address: address.ip().to_string(),
        port_specifier: Some(port),
        ..Default::default()
    };
    let endpoint = endpoint::Endpoint {
        address: Some(core::Address {
            address: Some(core::address::Address::SocketAddress(socket)),
        }),
        ..Default::default()
    };
    endpoint::LbEndpoint {
        host_identifier: Some(endpoint::lb_endpoint::HostIdentifier::Endpoint(endpoint)),
        ..Default::default()
    }
}

/// All that the client needs for calls to one cluster with these endpoints.
pub(crate) fn service(name: &str, addresses: &[SocketAddr]) -> [Named; 4] {
    [
        listener(),
        routes_to(name),
        cluster(name),
        endpoints(name, &[(1, addresses)]),
    ]
}
