//! Clusters: an unlimited one per destination port, a small one per mirror.

use std::collections::{BTreeMap, HashMap};

use envoy_types::pb::envoy::config::cluster::v3::circuit_breakers::Thresholds;
use envoy_types::pb::envoy::config::cluster::v3::cluster::{
    ClusterDiscoveryType, DiscoveryType, EdsClusterConfig,
};
use envoy_types::pb::envoy::config::cluster::v3::{CircuitBreakers, Cluster};
use envoy_types::pb::envoy::config::core::v3::{
    Http1ProtocolOptions, Http2ProtocolOptions, HttpProtocolOptions as CommonOptions,
};
use envoy_types::pb::envoy::extensions::upstreams::http::v3::HttpProtocolOptions;
use envoy_types::pb::envoy::extensions::upstreams::http::v3::http_protocol_options::explicit_http_config::ProtocolConfig;
use envoy_types::pb::envoy::extensions::upstreams::http::v3::http_protocol_options::{
    ExplicitHttpConfig, UpstreamProtocolOptions, UseDownstreamHttpConfig,
};
use envoy_types::util::pack_any;

use super::captured;
use super::copy;
use super::external;
use super::latency;
use super::names::{ClusterName, ServicePort};
use super::passthrough;
use super::quarantine;
use super::tls;
use super::unaltered;
use super::values::{ads, duration, number, seconds};
use crate::model::{Backend, Bounds, Capture, Group, Mirror, Protocol, Quarantine, Target};

/// Seconds after which a connection that nobody uses is closed. Servers close theirs as well, many after 2 to 5 s, and a
/// request that meets such a close on its way is lost: 10 % and more were, at the worst moment. Without the proxy a
/// caller that opens its own connections never sees that, so the proxy has to be the one that closes first. A copy would
/// be lost in the same way.
const IDLE_SECONDS: i64 = 1;

/// Bytes that may wait for a shadow however small the bodies are that are copied: with a gRPC call, or a read over HTTP/2,
/// more may come than is known beforehand.
const SMALLEST_BUFFER: u32 = 2 * 1024 * 1024;

/// With as many connections as copies, the proxy would let as many copies again wait for one of them: for as long as the
/// copies before may take, with their bodies in memory, and their callers behind those that are large. Like this a copy waits
/// only until a connection is made, and then it is dropped if it is one too many.
const CONNECTIONS_PER_COPY: u32 = 2;

/// All clusters of a group, by name.
pub(super) fn clusters(group: &Group) -> Vec<Cluster> {
    let mut clusters = BTreeMap::new();
    let mut add = |cluster: Cluster| {
        clusters.entry(cluster.name.clone()).or_insert(cluster);
    };
    add(match group.capture {
        Capture::Explicit(_) => passthrough::cluster(),
        Capture::Transparent => captured::passthrough(),
    });
    if let Some(Quarantine {
        bounds: Bounds::Addresses { .. },
        ..
    }) = &group.quarantine
    {
        add(quarantine::cluster());
    }
    for port in group.destinations.iter().flat_map(|each| &each.ports) {
        if let Capture::Explicit(_) = group.capture {
            add(primary(&port.backend));
        }
        for mirror in &port.mirrors {
            add(shadow(mirror));
        }
    }
    clusters.into_values().collect()
}

/// The cluster of a mirror.
pub(super) fn shadow_name(mirror: &Mirror) -> String {
    ClusterName::from(mirror).to_string()
}

/// The cluster of the requests to a destination.
pub(super) fn primary_name(backend: &Backend) -> String {
    ClusterName::Primary(ServicePort::from(backend)).to_string()
}

fn primary(backend: &Backend) -> Cluster {
    by_endpoints(primary_name(backend), backend, unlimited())
}

fn shadow(mirror: &Mirror) -> Cluster {
    let (limits, slow) = (mirror.terms.limits, mirror.terms.slow_after);
    let protocol = match mirror.target.protocol() {
        Protocol::Http1 => ProtocolConfig::HttpProtocolOptions(Http1ProtocolOptions::default()),
        Protocol::Http2 => ProtocolConfig::Http2ProtocolOptions(Http2ProtocolOptions {
            max_concurrent_streams: number(1),
            ..Http2ProtocolOptions::default()
        }),
    };
    // The copies on one HTTP/2 connection would share its buffer, which holds one or two of them: the third would make its
    // caller wait for a shadow that does not read. A connection on which a copy got stuck would be used again as well.
    let per_connection = match mirror.target.protocol() {
        Protocol::Http1 => None,
        Protocol::Http2 => number(1),
    };
    let options = HttpProtocolOptions {
        common_http_protocol_options: Some(CommonOptions {
            max_stream_duration: duration(limits.duration),
            idle_timeout: seconds(IDLE_SECONDS),
            max_requests_per_connection: per_connection,
            ..CommonOptions::default()
        }),
        // Explicit: a copy has no downstream connection whose protocol it could follow, and would go out as HTTP/1.
        upstream_protocol_options: Some(UpstreamProtocolOptions::ExplicitHttpConfig(
            ExplicitHttpConfig {
                protocol_config: Some(protocol),
            },
        )),
        http_filters: copy::filters(&mirror.terms),
        ..HttpProtocolOptions::default()
    };
    let guest = Cluster {
        connect_timeout: seconds(1),
        // What waits for a shadow that does not read: twice the largest body that is copied, so that the caller is never made
        // to wait instead.
        per_connection_buffer_limit_bytes: number(
            limits.body.saturating_mul(2).max(SMALLEST_BUFFER),
        ),
        circuit_breakers: breakers(
            limits.concurrent.saturating_mul(CONNECTIONS_PER_COPY),
            limits.concurrent,
            0,
        ),
        typed_extension_protocol_options: http(options),
        lrs_report_endpoint_metrics: slow
            .map(|_| latency::METRIC.to_owned())
            .into_iter()
            .collect(),
        ..Cluster::default()
    };
    let name = shadow_name(mirror);
    match &mirror.target {
        Target::Service { backend, tls } => {
            let tls = tls.as_deref();
            let guest = Cluster {
                transport_socket: tls.map(|tls| tls::socket(tls, backend.protocol)),
                ..guest
            };
            by_endpoints(name, backend, guest)
        }
        Target::External(external) => external::cluster(name, external, guest),
    }
}

/// A cluster that adds no limit of its own, and speaks to the server as the caller speaks to the proxy.
pub(super) fn unlimited() -> Cluster {
    let options = HttpProtocolOptions {
        common_http_protocol_options: Some(CommonOptions {
            idle_timeout: seconds(IDLE_SECONDS),
            ..unaltered::responses()
        }),
        upstream_protocol_options: Some(UpstreamProtocolOptions::UseDownstreamProtocolConfig(
            UseDownstreamHttpConfig {
                http_protocol_options: Some(unaltered::http1()),
                http2_protocol_options: Some(Http2ProtocolOptions::default()),
                ..UseDownstreamHttpConfig::default()
            },
        )),
        ..HttpProtocolOptions::default()
    };
    Cluster {
        connect_timeout: seconds(10),
        circuit_breakers: breakers(u32::MAX, u32::MAX, u32::MAX),
        typed_extension_protocol_options: http(options),
        ..Cluster::default()
    }
}

/// A cluster whose endpoints come by EDS, under a name that all clusters of the backend share.
fn by_endpoints(name: String, backend: &Backend, limits: Cluster) -> Cluster {
    Cluster {
        name,
        eds_cluster_config: Some(EdsClusterConfig {
            eds_config: ads(),
            service_name: ServicePort::from(backend).to_string(),
        }),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(DiscoveryType::Eds.into())),
        ..limits
    }
}

fn breakers(connections: u32, limit: u32, retries: u32) -> Option<CircuitBreakers> {
    Some(CircuitBreakers {
        thresholds: vec![Thresholds {
            max_connections: number(connections),
            max_pending_requests: number(limit),
            max_requests: number(limit),
            max_retries: number(retries),
            ..Thresholds::default()
        }],
        ..CircuitBreakers::default()
    })
}

fn http(options: HttpProtocolOptions) -> HashMap<String, envoy_types::pb::google::protobuf::Any> {
    HashMap::from([(
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions".to_owned(),
        pack_any(options),
    )])
}
