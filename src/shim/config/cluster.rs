//! Clusters: where requests go, and how much of them at once.

use std::time::Duration;

use dynamic::cluster_config::ClusterImplementationSpecifier;
use envoy_types::pb::envoy::config::cluster::v3 as proto;
use envoy_types::pb::envoy::config::core::v3::config_source::ConfigSourceSpecifier;
use envoy_types::pb::envoy::config::core::v3::{
    Http2ProtocolOptions, HttpProtocolOptions as CommonOptions,
};
use envoy_types::pb::envoy::extensions::clusters::dynamic_forward_proxy::v3 as dynamic;
use envoy_types::pb::envoy::extensions::upstreams::http::v3 as upstream;
use prost::{Message, Name};
use proto::cluster::{ClusterDiscoveryType, DiscoveryType, DnsLookupFamily, LbPolicy};
use upstream::http_protocol_options::UpstreamProtocolOptions;
use upstream::http_protocol_options::explicit_http_config::ProtocolConfig;

use super::host;
use super::rejection::only;
use super::unaltered;
use super::{Filters, Rejection, Within};
use crate::shim::duration;

/// Name of the extension point, as well as the key in `typed_extension_protocol_options`.
const HTTP_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
const DYNAMIC: &str = "envoy.clusters.dynamic_forward_proxy";

/// What the script that finds slow answers sets.
pub(in crate::shim) const SLOW_METRIC: &str = "named_metrics.slow";

/// An accepted cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::shim) struct Cluster {
    pub(in crate::shim) name: String,
    pub(in crate::shim) discovery: Discovery,
    pub(in crate::shim) protocol: Protocol,
    /// Whether a connection carries one request only.
    pub(in crate::shim) single_use: bool,
    pub(in crate::shim) connect_timeout: Duration,
    /// Bound of a whole request, if any.
    pub(in crate::shim) max_stream_duration: Option<Duration>,
    /// How long a connection may be idle and still be used again.
    pub(in crate::shim) idle_timeout: Duration,
    /// Bytes of a request that are held back at most.
    pub(in crate::shim) buffer_limit: usize,
    pub(in crate::shim) breakers: Breakers,
    /// What is done to requests on their way out.
    pub(in crate::shim) filters: Filters,
}

/// How a cluster finds its endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::shim) enum Discovery {
    /// By EDS, under this resource name.
    Eds(String),
    /// One host and port, looked up by DNS if the host is a name.
    Host(String, u16),
    /// The host of each request, looked up by DNS.
    Dynamic,
}

/// What is spoken to the endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::shim) enum Protocol {
    /// The same as the caller speaks.
    Downstream,
    Http1,
    Http2,
}

/// How much goes on at once at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::shim) struct Breakers {
    pub(in crate::shim) connections: u32,
    pub(in crate::shim) pending: u32,
    pub(in crate::shim) requests: u32,
}

impl Default for Breakers {
    /// Envoy's defaults.
    fn default() -> Self {
        Self {
            connections: 1024,
            pending: 1024,
            requests: 1024,
        }
    }
}

impl Cluster {
    /// The cluster that a message of supported fields describes.
    pub(in crate::shim) fn from_proto(message: &proto::Cluster) -> Result<Self, Rejection> {
        let discovery = discovery(message)?;
        let policy = match discovery {
            Discovery::Eds(_) | Discovery::Host(..) => LbPolicy::RoundRobin,
            Discovery::Dynamic => LbPolicy::ClusterProvided,
        };
        if message.lb_policy() != policy {
            return Err(Rejection::value(
                "lb_policy",
                message.lb_policy().as_str_name(),
            ));
        }
        let http = http_options(message)?;
        // What else servers tell of themselves is not looked at.
        let metrics = match http.filters.slow_after {
            Some(_) => &[SLOW_METRIC][..],
            None => &[],
        };
        only(
            message.lrs_report_endpoint_metrics == metrics,
            "lrs_report_endpoint_metrics",
            "must be what the script of the cluster sets",
        )?;
        Ok(Self {
            name: message.name.clone(),
            discovery,
            protocol: http.protocol,
            single_use: http.single_use,
            connect_timeout: match &message.connect_timeout {
                Some(value) => duration::from_proto(value)
                    .filter(|timeout| !timeout.is_zero())
                    .ok_or_else(|| Rejection::new("connect_timeout", "must be positive"))?,
                None => Duration::from_secs(5),
            },
            max_stream_duration: http.max_stream_duration,
            idle_timeout: http.idle_timeout,
            // Envoy's default is 1 MiB.
            buffer_limit: message
                .per_connection_buffer_limit_bytes
                .as_ref()
                .map_or(1 << 20, |limit| {
                    usize::try_from(limit.value).unwrap_or(usize::MAX)
                }),
            breakers: breakers(message)?,
            filters: http.filters,
        })
    }
}

fn discovery(message: &proto::Cluster) -> Result<Discovery, Rejection> {
    match &message.cluster_discovery_type {
        Some(ClusterDiscoveryType::Type(ty)) if *ty == DiscoveryType::Eds as i32 => {
            let eds = message
                .eds_cluster_config
                .as_ref()
                .ok_or_else(|| Rejection::new("eds_cluster_config", "is missing"))?;
            let source = eds
                .eds_config
                .as_ref()
                .and_then(|source| source.config_source_specifier.as_ref());
            only(
                matches!(source, Some(ConfigSourceSpecifier::Ads(_))),
                "eds_cluster_config.eds_config",
                "must be `ads`",
            )?;
            Ok(Discovery::Eds(if eds.service_name.is_empty() {
                message.name.clone()
            } else {
                eds.service_name.clone()
            }))
        }
        Some(ClusterDiscoveryType::ClusterType(custom)) if custom.name == DYNAMIC => {
            dynamic_config(custom).within("cluster_type.typed_config")
        }
        Some(ClusterDiscoveryType::ClusterType(custom)) => {
            Err(Rejection::value("cluster_type.name", &custom.name))
        }
        Some(ClusterDiscoveryType::Type(ty))
            if *ty == DiscoveryType::LogicalDns as i32 || *ty == DiscoveryType::Static as i32 =>
        {
            host::of(message.load_assignment.as_ref()).within("load_assignment")
        }
        Some(ClusterDiscoveryType::Type(other)) => {
            let name = DiscoveryType::try_from(*other).map(|ty| ty.as_str_name());
            Err(Rejection::value("type", name.unwrap_or("UNKNOWN")))
        }
        None => Err(Rejection::value(
            "type",
            DiscoveryType::Static.as_str_name(),
        )),
    }
}

fn dynamic_config(custom: &proto::cluster::CustomClusterType) -> Result<Discovery, Rejection> {
    let Some(any) = &custom.typed_config else {
        return Err(Rejection::new("", "is missing"));
    };
    let config = dynamic::ClusterConfig::decode(any.value.as_slice())
        .map_err(|error| Rejection::new("", format!("cannot be decoded: {error}")))?;
    let Some(ClusterImplementationSpecifier::DnsCacheConfig(cache)) =
        config.cluster_implementation_specifier
    else {
        return Err(Rejection::new("dns_cache_config", "is missing"));
    };
    match cache.dns_lookup_family() {
        DnsLookupFamily::All | DnsLookupFamily::V4Preferred => Ok(Discovery::Dynamic),
        other => Err(Rejection::value(
            "dns_cache_config.dns_lookup_family",
            other.as_str_name(),
        )),
    }
}

struct HttpOptions {
    protocol: Protocol,
    single_use: bool,
    max_stream_duration: Option<Duration>,
    idle_timeout: Duration,
    filters: Filters,
}

/// Envoy's default.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3600);

fn http_options(message: &proto::Cluster) -> Result<HttpOptions, Rejection> {
    let mut found = HttpOptions {
        protocol: Protocol::Http1,
        single_use: false,
        max_stream_duration: None,
        idle_timeout: IDLE_TIMEOUT,
        filters: Filters::default(),
    };
    for (key, any) in &message.typed_extension_protocol_options {
        let path = format!("typed_extension_protocol_options[\"{key}\"]");
        if key != HTTP_OPTIONS || any.type_url != upstream::HttpProtocolOptions::type_url() {
            return Err(Rejection::new(path, "is not supported by the shim"));
        }
        let options = upstream::HttpProtocolOptions::decode(any.value.as_slice())
            .map_err(|error| Rejection::new(&path, format!("cannot be decoded: {error}")))?;
        let common = options.common_http_protocol_options.as_ref();
        // Zero means no bound, as in Envoy.
        let bound = common
            .and_then(|common| common.max_stream_duration.as_ref())
            .and_then(duration::from_proto)
            .filter(|bound| !bound.is_zero());
        let idle_timeout = common
            .and_then(|common| common.idle_timeout.as_ref())
            .and_then(duration::from_proto)
            .map_or(IDLE_TIMEOUT, |limit| {
                if limit.is_zero() {
                    Duration::MAX
                } else {
                    limit
                }
            });
        unaltered::common(common)
            .within("common_http_protocol_options")
            .within(&path)?;
        let single_use = single_use(common)
            .within("common_http_protocol_options")
            .within(&path)?;
        let http1 = match &options.upstream_protocol_options {
            Some(UpstreamProtocolOptions::UseDownstreamProtocolConfig(both)) => {
                both.http_protocol_options.as_ref()
            }
            Some(UpstreamProtocolOptions::ExplicitHttpConfig(explicit)) => {
                match &explicit.protocol_config {
                    Some(ProtocolConfig::HttpProtocolOptions(options)) => Some(options),
                    _ => None,
                }
            }
            _ => None,
        };
        unaltered::http1(http1)
            .within("http_protocol_options")
            .within(&path)?;
        let http2 = match &options.upstream_protocol_options {
            Some(UpstreamProtocolOptions::UseDownstreamProtocolConfig(both)) => {
                both.http2_protocol_options.as_ref()
            }
            Some(UpstreamProtocolOptions::ExplicitHttpConfig(explicit)) => {
                match &explicit.protocol_config {
                    Some(ProtocolConfig::Http2ProtocolOptions(options)) => Some(options),
                    _ => None,
                }
            }
            _ => None,
        };
        streams(http2, single_use)
            .within("http2_protocol_options")
            .within(&path)?;
        let protocol = match &options.upstream_protocol_options {
            Some(UpstreamProtocolOptions::UseDownstreamProtocolConfig(_)) => Protocol::Downstream,
            Some(UpstreamProtocolOptions::ExplicitHttpConfig(explicit)) => {
                match explicit.protocol_config {
                    Some(ProtocolConfig::Http2ProtocolOptions(_)) => Protocol::Http2,
                    _ => Protocol::Http1,
                }
            }
            _ => {
                return Err(Rejection::new("upstream_protocol_options", "is missing")).within(path);
            }
        };
        found = HttpOptions {
            protocol,
            single_use,
            max_stream_duration: bound,
            idle_timeout,
            filters: Filters::from_proto(&options.http_filters).within(&path)?,
        };
    }
    Ok(found)
}

/// The shim counts no requests of a connection: it keeps one, or it does not.
fn single_use(common: Option<&CommonOptions>) -> Result<bool, Rejection> {
    let limit = common.and_then(|common| common.max_requests_per_connection.as_ref());
    match limit.map(|limit| limit.value) {
        // Zero means no limit, as in Envoy.
        None | Some(0) => Ok(false),
        Some(1) => Ok(true),
        Some(other) => Err(Rejection::value("max_requests_per_connection", other)),
    }
}

/// How many streams a connection has is up to the server, unless it carries one request only.
fn streams(http2: Option<&Http2ProtocolOptions>, single_use: bool) -> Result<(), Rejection> {
    let limit = http2.and_then(|options| options.max_concurrent_streams.as_ref());
    match limit {
        Some(limit) if !single_use => Err(Rejection::value("max_concurrent_streams", limit.value)),
        _ => Ok(()),
    }
}

fn breakers(message: &proto::Cluster) -> Result<Breakers, Rejection> {
    let thresholds = message
        .circuit_breakers
        .as_ref()
        .map(|breakers| breakers.thresholds.as_slice());
    match thresholds.unwrap_or_default() {
        [] => Ok(Breakers::default()),
        [one] => {
            only(
                one.priority == 0,
                "circuit_breakers.thresholds[0].priority",
                "must be DEFAULT",
            )?;
            let or = |value: &Option<_>, default| {
                value.as_ref().map_or(
                    default,
                    |value: &envoy_types::pb::google::protobuf::UInt32Value| value.value,
                )
            };
            let default = Breakers::default();
            Ok(Breakers {
                connections: or(&one.max_connections, default.connections),
                pending: or(&one.max_pending_requests, default.pending),
                requests: or(&one.max_requests, default.requests),
            })
        }
        _ => Err(Rejection::value(
            "circuit_breakers.thresholds[1]",
            "a second threshold",
        )),
    }
}

#[cfg(test)]
#[path = "cluster_tests.rs"]
mod tests;
