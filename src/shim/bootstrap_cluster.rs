//! The cluster that leads to the control plane, as a bootstrap describes it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::KeepAlive;
use super::duration;
use super::tls::TransportSocket;
use super::token::HttpFilter;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cluster {
    pub(super) name: String,
    #[serde(rename = "type")]
    _discovery: Discovery,
    #[serde(default, with = "duration::text")]
    pub(super) connect_timeout: Option<Duration>,
    load_assignment: LoadAssignment,
    pub(super) transport_socket: Option<TransportSocket>,
    /// Which addresses of a name: all of them are tried.
    #[serde(default, rename = "dns_lookup_family")]
    _dns_lookup_family: Option<serde::de::IgnoredAny>,
    /// Nothing here waits for it.
    #[serde(default, rename = "wait_for_warm_on_init")]
    _wait_for_warm_on_init: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    typed_extension_protocol_options: BTreeMap<String, ProtocolOptions>,
}

/// Names are looked up at each connection in any case.
#[derive(Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Discovery {
    Static,
    StrictDns,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LoadAssignment {
    #[serde(rename = "cluster_name")]
    _cluster_name: String,
    endpoints: Vec<Locality>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Locality {
    lb_endpoints: Vec<LbEndpoint>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LbEndpoint {
    endpoint: Endpoint,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Endpoint {
    address: Address,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Address {
    socket_address: SocketAddress,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SocketAddress {
    address: String,
    port_value: u16,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProtocolOptions {
    #[serde(rename = "@type")]
    _type: String,
    explicit_http_config: ExplicitHttpConfig,
    #[serde(default)]
    http_filters: Vec<HttpFilter>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExplicitHttpConfig {
    http2_protocol_options: Http2Options,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Http2Options {
    connection_keepalive: Option<ConnectionKeepAlive>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConnectionKeepAlive {
    #[serde(with = "duration::text")]
    interval: Option<Duration>,
    #[serde(with = "duration::text")]
    timeout: Option<Duration>,
}

impl Cluster {
    /// `host:port` of each endpoint.
    pub(super) fn addresses(&self) -> Vec<String> {
        let localities = self.load_assignment.endpoints.iter();
        localities
            .flat_map(|locality| &locality.lb_endpoints)
            .map(|endpoint| {
                let SocketAddress {
                    address,
                    port_value,
                } = &endpoint.endpoint.address.socket_address;
                if address.contains(':') {
                    format!("[{address}]:{port_value}")
                } else {
                    format!("{address}:{port_value}")
                }
            })
            .collect()
    }

    /// The filters of what is sent to the cluster.
    pub(super) fn take_filters(&mut self) -> Vec<HttpFilter> {
        let options = self.typed_extension_protocol_options.values_mut();
        let filters = options.map(|options| std::mem::take(&mut options.http_filters));
        filters.flatten().collect()
    }

    /// Pings, if asked for.
    pub(super) fn keep_alive(&self) -> Option<KeepAlive> {
        let asked = self.typed_extension_protocol_options.values();
        let pings = asked.into_iter().find_map(|options| {
            let http2 = &options.explicit_http_config.http2_protocol_options;
            http2.connection_keepalive.as_ref()
        })?;
        Some(KeepAlive {
            interval: pings.interval?,
            timeout: pings.timeout?,
        })
    }
}
