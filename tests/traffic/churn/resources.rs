//! The resources, as JSON that both the server and Envoy's `/config_dump` can be held against.

use std::net::SocketAddr;

use mirrorplane::proto::descriptor;
use mirrorplane::snapshot::ResourceType;
use prost_reflect::DynamicMessage;
use serde_json::Value;
use serde_json::json;

/// Name of the listener, of the routes, and of Envoy's statistics about both.
pub(crate) const NAME: &str = "churn";

/// A message of a type; what JSON says of the `@type` counts for nothing.
pub(crate) fn message(ty: ResourceType, mut json: Value) -> DynamicMessage {
    if let Some(fields) = json.as_object_mut() {
        fields.shift_remove("@type");
    }
    let descriptor = descriptor(ty.type_url()).unwrap();
    DynamicMessage::deserialize(descriptor, json).unwrap()
}

fn ads() -> Value {
    json!({ "ads": {}, "resource_api_version": "V3" })
}

fn at(address: SocketAddr) -> Value {
    let (address, port) = (address.ip().to_string(), address.port());
    json!({ "socket_address": { "address": address, "port_value": port } })
}

/// A listener for HTTP, whose routes come apart.
pub(crate) fn listener(address: SocketAddr) -> Value {
    let router = json!({
        "name": "envoy.filters.http.router",
        "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
    });
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": NAME,
        "rds": { "config_source": ads(), "route_config_name": NAME },
        "http_filters": [router],
    });
    let filter =
        json!({ "name": "envoy.filters.network.http_connection_manager", "typed_config": manager });
    json!({ "name": NAME, "address": at(address), "filter_chains": [{ "filters": [filter] }] })
}

/// The route of a host to a cluster, with a mirror perhaps.
pub(crate) fn virtual_host(host: &str, cluster: &str, mirror: Option<&str>) -> Value {
    let mut action = json!({ "cluster": cluster });
    if let Some(cluster) = mirror {
        action["request_mirror_policies"] = json!([{ "cluster": cluster }]);
    }
    let route = json!({ "match": { "prefix": "/" }, "route": action });
    json!({ "name": host, "domains": [host], "routes": [route] })
}

/// All routes.
pub(crate) fn routes(virtual_hosts: &[Value]) -> Value {
    json!({ "name": NAME, "virtual_hosts": virtual_hosts })
}

/// A cluster whose endpoints come apart; the time limit tells one revision of it from another.
pub(crate) fn cluster(name: &str, connect_seconds: u32) -> Value {
    json!({
        "name": name,
        "type": "EDS",
        "eds_cluster_config": { "eds_config": ads() },
        "connect_timeout": format!("{connect_seconds}s"),
    })
}

/// The endpoints of a cluster.
pub(crate) fn endpoints(cluster: &str, addresses: impl IntoIterator<Item = SocketAddr>) -> Value {
    let addresses = addresses.into_iter();
    let endpoints = addresses.map(|address| json!({ "endpoint": { "address": at(address) } }));
    let endpoints: Vec<_> = endpoints.collect();
    json!({ "cluster_name": cluster, "endpoints": [{ "lb_endpoints": endpoints }] })
}
