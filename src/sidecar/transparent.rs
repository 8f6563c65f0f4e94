//! What a sidecar with transparent capture is started with besides: a place for the connections that are redirected to it,
//! and one to ask whether it is there.
//!
//! All of it is static. An application works with its sidecar from the first moment, whatever has become of the control
//! plane: until that says more, each connection is sent on to where it was going.

use serde_json::Value;
use serde_json::json;

use super::IpFamilies;
use super::bootstrap::socket;
use crate::model::CAPTURE_PORT;
use crate::model::READY_PORT;

/// The cluster that leads to where a redirected connection was going.
const ONWARD: &str = "original-destination";
/// The cluster that leads nowhere.
const NOWHERE: &str = "nowhere";

/// What Envoy has to be started with besides its bootstrap. When the last rule for a destination goes, so do its listeners,
/// and by default Envoy cuts off what is still open on them after ten minutes. So it is given a day; not more, for a listener
/// that drains costs Envoy 40 KiB, with connections or without, and a headless Service loses one with each Pod. HTTP
/// connections are asked to end with their next answer, which takes no time from anybody.
pub const ENVOY_FLAGS: [&str; 4] = ["--drain-time-s", "86400", "--drain-strategy", "immediate"];

/// How long the sidecar waits for each kind of configuration before it starts without. Until it starts, connections are
/// redirected to a port on which nobody listens.
pub(super) const PATIENCE: &str = "1s";

/// The listeners.
pub(super) fn listeners(families: IpFamilies) -> Value {
    json!([capture(families), ready(families)])
}

/// The clusters.
pub(super) fn clusters() -> [Value; 2] {
    [
        json!({
            "name": ONWARD,
            "type": "ORIGINAL_DST",
            "lb_policy": "CLUSTER_PROVIDED",
            "connect_timeout": "10s",
            "circuit_breakers": {
                "thresholds": [{
                    "max_connections": u32::MAX,
                    "max_pending_requests": u32::MAX,
                    "max_requests": u32::MAX,
                    "max_retries": u32::MAX,
                }],
            },
        }),
        json!({ "name": NOWHERE, "type": "STATIC", "connect_timeout": "1s" }),
    ]
}

/// Where connections are redirected to. Those that were going to an address that the control plane knows are handed over to
/// its listener of that address. It is at loopback addresses, to which the kernel redirects what the Pod itself sends, so
/// that nobody else can reach it.
fn capture(families: IpFamilies) -> Value {
    let mut listener = json!({
        "name": "capture",
        "traffic_direction": "OUTBOUND",
        "use_original_dst": true,
        "filter_chains": [
            // Not redirected, but meant for the sidecar: sent on, it would come back for ever.
            {
                "filter_chain_match": { "destination_port": CAPTURE_PORT },
                "filters": [tcp_proxy(NOWHERE)],
            },
            { "filters": [tcp_proxy(ONWARD)] },
        ],
    });
    bind(&mut listener, families, ["127.0.0.1", "::1"], CAPTURE_PORT);
    if families.has_ipv6() {
        // A Pod whose IPv6 is switched off has no ::1, and a dual sidecar has to start there as well.
        listener["freebind"] = json!(true);
    }
    listener
}

/// Answers `/ready` as soon as connections are taken.
fn ready(families: IpFamilies) -> Value {
    let mut listener = json!({
        "name": "ready",
        "filter_chains": [{
            "filters": [{
                "name": "envoy.filters.network.http_connection_manager",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                    "stat_prefix": "ready",
                    "route_config": {
                        "name": "ready",
                        "virtual_hosts": [{
                            "name": "ready",
                            "domains": ["*"],
                            "routes": [{
                                "match": { "path": "/ready" },
                                "direct_response": { "status": 200, "body": { "inline_string": "ready\n" } },
                            }],
                        }],
                    },
                    "http_filters": [{
                        "name": "envoy.filters.http.router",
                        "typed_config": {
                            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
                        },
                    }],
                },
            }],
        }],
    });
    bind(&mut listener, families, ["0.0.0.0", "::"], READY_PORT);
    listener
}

/// Binds a listener to the addresses of the families, of which the first is for IPv4.
fn bind(listener: &mut Value, families: IpFamilies, [ipv4, ipv6]: [&str; 2], port: u16) {
    let mut addresses = Vec::new();
    if families.has_ipv4() {
        addresses.push(socket(ipv4, port));
    }
    if families.has_ipv6() {
        addresses.push(socket(ipv6, port));
    }
    let mut addresses = addresses.into_iter();
    listener["address"] = addresses.next().unwrap_or_default();
    if let Some(second) = addresses.next() {
        listener["additional_addresses"] = json!([{ "address": second }]);
    }
}

fn tcp_proxy(cluster: &str) -> Value {
    json!({
        "name": "envoy.filters.network.tcp_proxy",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
            "stat_prefix": cluster,
            "cluster": cluster,
            // As long as both ends like.
            "idle_timeout": "0s",
        },
    })
}
