//! Clusters.

use std::collections::HashMap;

use envoy_types::pb::envoy::config::cluster::v3 as cluster;
use envoy_types::pb::envoy::config::core::v3 as core;
use envoy_types::pb::envoy::extensions::clusters::dynamic_forward_proxy::v3 as dynamic_cluster;
use envoy_types::pb::envoy::extensions::upstreams::http::v3 as upstream;
use envoy_types::pb::google::protobuf::{Any, Duration, UInt32Value};

use super::{ads, any, dns_cache, seconds};

/// What is spoken to a cluster.
#[derive(Clone, Copy)]
pub(crate) enum Speaks {
    Downstream,
    Http1,
    Http2,
}

/// Times of a cluster.
#[derive(Default)]
struct Times {
    stream: Option<Duration>,
    idle: Option<Duration>,
}

fn http_options(speaks: Speaks, times: Times) -> HashMap<String, Any> {
    use options::explicit_http_config::ProtocolConfig;
    use upstream::http_protocol_options as options;

    let explicit = |config| {
        options::UpstreamProtocolOptions::ExplicitHttpConfig(options::ExplicitHttpConfig {
            protocol_config: Some(config),
        })
    };
    let message = upstream::HttpProtocolOptions {
        common_http_protocol_options: Some(core::HttpProtocolOptions {
            max_stream_duration: times.stream,
            idle_timeout: times.idle,
            ..Default::default()
        }),
        upstream_protocol_options: Some(match speaks {
            Speaks::Downstream => options::UpstreamProtocolOptions::UseDownstreamProtocolConfig(
                options::UseDownstreamHttpConfig {
                    http_protocol_options: Some(Default::default()),
                    http2_protocol_options: Some(Default::default()),
                    ..Default::default()
                },
            ),
            Speaks::Http1 => explicit(ProtocolConfig::HttpProtocolOptions(Default::default())),
            Speaks::Http2 => explicit(ProtocolConfig::Http2ProtocolOptions(Default::default())),
        }),
        ..Default::default()
    };
    HashMap::from([(
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions".into(),
        any(&message),
    )])
}

/// Limits of what is under way at once.
#[derive(Clone, Copy)]
pub(crate) struct Breakers {
    pub(crate) connections: u32,
    pub(crate) pending: u32,
    pub(crate) requests: u32,
}

impl Breakers {
    pub(crate) const fn all(limit: u32) -> Self {
        Self {
            connections: limit,
            pending: limit,
            requests: limit,
        }
    }
}

fn breakers(breakers: Breakers) -> Option<cluster::CircuitBreakers> {
    let limit = |value| Some(UInt32Value { value });
    Some(cluster::CircuitBreakers {
        thresholds: vec![cluster::circuit_breakers::Thresholds {
            max_connections: limit(breakers.connections),
            max_pending_requests: limit(breakers.pending),
            max_requests: limit(breakers.requests),
            max_retries: limit(breakers.requests),
            ..Default::default()
        }],
        ..Default::default()
    })
}

fn eds(name: &str, service: &str) -> cluster::Cluster {
    cluster::Cluster {
        name: name.into(),
        cluster_discovery_type: Some(cluster::cluster::ClusterDiscoveryType::Type(
            cluster::cluster::DiscoveryType::Eds as i32,
        )),
        eds_cluster_config: Some(cluster::cluster::EdsClusterConfig {
            eds_config: ads(),
            service_name: service.into(),
        }),
        ..Default::default()
    }
}

pub(crate) fn primary(name: &str, speaks: Speaks) -> cluster::Cluster {
    cluster::Cluster {
        connect_timeout: seconds(10),
        circuit_breakers: breakers(Breakers::all(u32::MAX)),
        typed_extension_protocol_options: http_options(speaks, Times::default()),
        ..eds(name, name)
    }
}

/// A cluster whose idle connections are closed after a second.
pub(crate) fn impatient(name: &str, speaks: Speaks) -> cluster::Cluster {
    let times = Times {
        stream: None,
        idle: seconds(1),
    };
    cluster::Cluster {
        typed_extension_protocol_options: http_options(speaks, times),
        ..primary(name, speaks)
    }
}

/// Bounds of a shadow cluster.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) stream_seconds: i64,
    pub(crate) buffer: u32,
    pub(crate) breakers: Breakers,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            stream_seconds: 5,
            buffer: 2 << 20,
            breakers: Breakers::all(64),
        }
    }
}

pub(crate) fn shadow(service: &str, speaks: Speaks, bounds: Bounds) -> cluster::Cluster {
    cluster::Cluster {
        connect_timeout: seconds(1),
        circuit_breakers: breakers(bounds.breakers),
        per_connection_buffer_limit_bytes: Some(UInt32Value {
            value: bounds.buffer,
        }),
        typed_extension_protocol_options: http_options(
            speaks,
            Times {
                stream: seconds(bounds.stream_seconds),
                idle: None,
            },
        ),
        ..eds(SHADOW, service)
    }
}

/// Name of the shadow cluster.
pub(crate) const SHADOW: &str = "shadow|ns/rule|ns/v2|80";

pub(crate) fn passthrough() -> cluster::Cluster {
    cluster::Cluster {
        name: "passthrough".into(),
        cluster_discovery_type: Some(cluster::cluster::ClusterDiscoveryType::ClusterType(
            cluster::cluster::CustomClusterType {
                name: "envoy.clusters.dynamic_forward_proxy".into(),
                typed_config: Some(any(&dynamic_cluster::ClusterConfig {
                    cluster_implementation_specifier: Some(
                        dynamic_cluster::cluster_config::ClusterImplementationSpecifier::DnsCacheConfig(dns_cache()),
                    ),
                    ..Default::default()
                })),
            },
        )),
        lb_policy: cluster::cluster::LbPolicy::ClusterProvided as i32,
        connect_timeout: seconds(10),
        circuit_breakers: breakers(Breakers::all(u32::MAX)),
        typed_extension_protocol_options: http_options(Speaks::Downstream, Times::default()),
        ..Default::default()
    }
}
