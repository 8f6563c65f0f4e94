//! An Envoy that is set up in the plain way: static routes and clusters, everything else as it is by default.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::rig::free_address;
use super::rig::sidecar::{Kind, Plane, Sidecar};

/// What the sidecar asks of the naive Envoy; it has one virtual host for all.
pub(crate) const URL: &str = "http://service.test/";

/// The naive configuration.
#[derive(Debug)]
pub(crate) struct Naive {
    /// Where requests go: a `route_config` or an `rds`, by that name.
    pub(crate) routes: (&'static str, Value),
    pub(crate) clusters: Vec<Value>,
    /// Values of a static layer of runtime values.
    pub(crate) runtime: Value,
    /// What the router does beside routing.
    pub(crate) router: Value,
}

impl Naive {
    /// These routes to these clusters.
    pub(crate) fn new(routes: Value, clusters: Vec<Value>) -> Self {
        let config =
            json!({ "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": routes }] });
        Self {
            routes: ("route_config", config),
            clusters,
            runtime: json!({}),
            router: json!({}),
        }
    }

    /// Everything goes to `live`, and is copied to `shadow`; a request may take so long.
    pub(crate) fn mirroring(live: SocketAddr, shadow: SocketAddr, route_timeout: &str) -> Self {
        let route = json!({
            "match": { "prefix": "/" },
            "route": {
                "cluster": "live",
                "timeout": route_timeout,
                "request_mirror_policies": [{ "cluster": "shadow" }],
            },
        });
        Self::new(
            json!([route]),
            vec![cluster("live", live), cluster("shadow", shadow)],
        )
    }

    /// An Envoy with it; `None` if there is none to start.
    pub(crate) async fn start(self) -> Option<Sidecar> {
        let (proxy, admin) = (free_address(), free_address());
        let (kind, routes) = self.routes;
        let mut router = json!({ "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" });
        extend(&mut router, &self.router);
        let mut manager = json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "naive",
            "http_filters": [filter("envoy.filters.http.router", router)],
        });
        manager[kind] = routes;
        let listener = json!({
            "name": "naive",
            "address": socket(proxy),
            "filter_chains": [{ "filters": [filter("envoy.filters.network.http_connection_manager", manager)] }],
        });
        let bootstrap = json!({
            "node": { "id": "naive", "cluster": "naive" },
            "admin": { "address": socket(admin) },
            "layered_runtime": { "layers": [{ "name": "static", "static_layer": self.runtime }] },
            "static_resources": { "listeners": [listener], "clusters": self.clusters },
        });
        let plane = Plane {
            kind: Kind::Envoy,
            delta: false,
        };
        let envoy = Sidecar::spawn(plane, proxy, admin, &bootstrap)?;
        envoy.serves().await;
        Some(envoy)
    }
}

/// A cluster of one endpoint.
pub(crate) fn cluster(name: &str, at: SocketAddr) -> Value {
    json!({
        "name": name,
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": socket(at) } }] }],
        },
    })
}

/// The same, with these options of HTTP.
pub(crate) fn cluster_with(name: &str, at: SocketAddr, options: Value) -> Value {
    let mut http = json!({
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": { "http_protocol_options": {} },
    });
    extend(&mut http, &options);
    let mut cluster = cluster(name, at);
    cluster["typed_extension_protocol_options"] =
        json!({ "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http });
    cluster
}

fn extend(object: &mut Value, with: &Value) {
    let with = with.as_object().unwrap().clone();
    object.as_object_mut().unwrap().extend(with);
}

/// A filter.
pub(crate) fn filter(name: &str, config: Value) -> Value {
    json!({ "name": name, "typed_config": config })
}

fn socket(at: SocketAddr) -> Value {
    json!({ "socket_address": { "address": at.ip().to_string(), "port_value": at.port() } })
}
