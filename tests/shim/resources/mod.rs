//! The resources a sidecar is sent, built by hand.

mod cluster;

use std::net::SocketAddr;

use envoy_types::pb::envoy::config::cluster::v3::cluster::DnsLookupFamily;
use envoy_types::pb::envoy::config::common::mutation_rules::v3 as rules;
use envoy_types::pb::envoy::config::core::v3 as core;
use envoy_types::pb::envoy::config::endpoint::v3 as endpoint;
use envoy_types::pb::envoy::config::listener::v3 as listener;
use envoy_types::pb::envoy::config::route::v3 as route;
use envoy_types::pb::envoy::extensions::common::dynamic_forward_proxy::v3::DnsCacheConfig;
use envoy_types::pb::envoy::extensions::filters::http::dynamic_forward_proxy::v3 as dynamic_filter;
use envoy_types::pb::envoy::extensions::filters::http::router::v3::Router;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3 as hcm;
use envoy_types::pb::envoy::r#type::v3::FractionalPercent;
use envoy_types::pb::envoy::r#type::v3::fractional_percent::DenominatorType;
use envoy_types::pb::google::protobuf::{Any, Duration, UInt32Value};
use prost::{Message, Name};

use mirrorplane::proto::envoy::service::runtime::v3::Runtime;
use mirrorplane::proto::google::protobuf::value::Kind as ValueKind;
use mirrorplane::proto::google::protobuf::{Struct, Value};

pub(crate) use cluster::{
    Bounds, Breakers, SHADOW, Speaks, impatient, passthrough, primary, shadow,
};

pub(crate) const KEY: &str = "mirror.ns.rule";

pub(crate) fn any<M: Message + Name>(message: &M) -> Any {
    Any {
        type_url: M::type_url(),
        value: message.encode_to_vec(),
    }
}

fn seconds(seconds: i64) -> Option<Duration> {
    Some(Duration { seconds, nanos: 0 })
}

fn ads() -> Option<core::ConfigSource> {
    Some(core::ConfigSource {
        resource_api_version: core::ApiVersion::V3 as i32,
        config_source_specifier: Some(core::config_source::ConfigSourceSpecifier::Ads(
            core::AggregatedConfigSource {},
        )),
        ..Default::default()
    })
}

fn address(address: SocketAddr) -> Option<core::Address> {
    Some(core::Address {
        address: Some(core::address::Address::SocketAddress(core::SocketAddress {
            address: address.ip().to_string(),
            port_specifier: Some(core::socket_address::PortSpecifier::PortValue(
                address.port().into(),
            )),
            ..Default::default()
        })),
    })
}

fn dns_cache() -> DnsCacheConfig {
    DnsCacheConfig {
        name: "passthrough".into(),
        dns_lookup_family: DnsLookupFamily::V4Preferred as i32,
        ..Default::default()
    }
}

pub(crate) fn listener(at: SocketAddr) -> listener::Listener {
    let filter = |name: &str, config| hcm::HttpFilter {
        name: name.into(),
        config_type: Some(hcm::http_filter::ConfigType::TypedConfig(config)),
        ..Default::default()
    };
    let manager = hcm::HttpConnectionManager {
        stat_prefix: "outbound".into(),
        route_specifier: Some(hcm::http_connection_manager::RouteSpecifier::Rds(
            hcm::Rds {
                config_source: ads(),
                route_config_name: "outbound".into(),
            },
        )),
        http_filters: vec![
            filter(
                "envoy.filters.http.dynamic_forward_proxy",
                any(&dynamic_filter::FilterConfig {
                    implementation_specifier: Some(
                        dynamic_filter::filter_config::ImplementationSpecifier::DnsCacheConfig(
                            dns_cache(),
                        ),
                    ),
                    ..Default::default()
                }),
            ),
            filter(
                "envoy.filters.http.router",
                any(&Router {
                    suppress_envoy_headers: true,
                    ..Default::default()
                }),
            ),
        ],
        upgrade_configs: vec![hcm::http_connection_manager::UpgradeConfig {
            upgrade_type: "websocket".into(),
            ..Default::default()
        }],
        server_header_transformation:
            hcm::http_connection_manager::ServerHeaderTransformation::PassThrough as i32,
        http_protocol_options: Some(core::Http1ProtocolOptions {
            accept_http_10: true,
            ..Default::default()
        }),
        stream_idle_timeout: seconds(0),
        skip_xff_append: true,
        preserve_external_request_id: true,
        ..Default::default()
    };
    listener::Listener {
        name: "outbound".into(),
        address: address(at),
        traffic_direction: core::TrafficDirection::Outbound as i32,
        filter_chains: vec![listener::FilterChain {
            filters: vec![listener::Filter {
                name: "envoy.filters.network.http_connection_manager".into(),
                config_type: Some(listener::filter::ConfigType::TypedConfig(any(&manager))),
            }],
            ..Default::default()
        }],
        ..Default::default()
    }
}

pub(crate) fn endpoints(name: &str, addresses: &[SocketAddr]) -> endpoint::ClusterLoadAssignment {
    let endpoint = |at: &SocketAddr| endpoint::LbEndpoint {
        host_identifier: Some(endpoint::lb_endpoint::HostIdentifier::Endpoint(
            endpoint::Endpoint {
                address: address(*at),
                ..Default::default()
            },
        )),
        ..Default::default()
    };
    let locality = endpoint::LocalityLbEndpoints {
        lb_endpoints: addresses.iter().map(endpoint).collect(),
        load_balancing_weight: Some(UInt32Value { value: 1 }),
        ..Default::default()
    };
    endpoint::ClusterLoadAssignment {
        cluster_name: name.into(),
        endpoints: (!addresses.is_empty())
            .then_some(locality)
            .into_iter()
            .collect(),
        ..Default::default()
    }
}

/// A mirror to the shadow cluster, with another host and a mark.
pub(crate) fn mirror() -> route::route_action::RequestMirrorPolicy {
    route::route_action::RequestMirrorPolicy {
        cluster: SHADOW.into(),
        runtime_fraction: Some(core::RuntimeFractionalPercent {
            default_value: Some(FractionalPercent {
                numerator: 0,
                denominator: DenominatorType::Million as i32,
            }),
            runtime_key: KEY.into(),
        }),
        disable_shadow_host_suffix_append: true,
        host_rewrite_literal: "v2.ns:80".into(),
        request_headers_mutations: vec![rules::HeaderMutation {
            action: Some(rules::header_mutation::Action::Append(
                core::HeaderValueOption {
                    header: Some(core::HeaderValue {
                        key: "x-mirror-shadow".into(),
                        value: "ns/rule".into(),
                        ..Default::default()
                    }),
                    append_action:
                        core::header_value_option::HeaderAppendAction::OverwriteIfExistsOrAdd as i32,
                    ..Default::default()
                },
            )),
        }],
        ..Default::default()
    }
}

pub(crate) fn forward(
    cluster: &str,
    mirrors: Vec<route::route_action::RequestMirrorPolicy>,
) -> route::Route {
    to(route::route::Action::Route(route::RouteAction {
        cluster_specifier: Some(route::route_action::ClusterSpecifier::Cluster(
            cluster.into(),
        )),
        timeout: seconds(0),
        request_mirror_policies: mirrors,
        ..Default::default()
    }))
}

pub(crate) fn respond(status: u32) -> route::Route {
    to(route::route::Action::DirectResponse(
        route::DirectResponseAction {
            status,
            ..Default::default()
        },
    ))
}

fn to(action: route::route::Action) -> route::Route {
    route::Route {
        r#match: Some(route::RouteMatch {
            path_specifier: Some(route::route_match::PathSpecifier::Prefix("/".into())),
            ..Default::default()
        }),
        action: Some(action),
        ..Default::default()
    }
}

pub(crate) fn routes(hosts: Vec<(&str, Vec<route::Route>)>) -> route::RouteConfiguration {
    route::RouteConfiguration {
        name: "outbound".into(),
        virtual_hosts: hosts
            .into_iter()
            .map(|(domain, routes)| route::VirtualHost {
                name: domain.into(),
                domains: vec![domain.into()],
                routes,
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    }
}

/// The runtime layer with a share in millionths.
pub(crate) fn runtime(millionths: Option<u32>) -> Runtime {
    let value = |kind| Value { kind: Some(kind) };
    let fraction = |numerator: u32| Struct {
        fields: [
            (
                "numerator".to_owned(),
                value(ValueKind::NumberValue(numerator.into())),
            ),
            (
                "denominator".to_owned(),
                value(ValueKind::StringValue("MILLION".into())),
            ),
        ]
        .into(),
    };
    Runtime {
        name: "mirrorplane".into(),
        layer: Some(Struct {
            fields: millionths
                .map(|share| {
                    (
                        KEY.to_owned(),
                        value(ValueKind::StructValue(fraction(share))),
                    )
                })
                .into_iter()
                .collect(),
        }),
    }
}
