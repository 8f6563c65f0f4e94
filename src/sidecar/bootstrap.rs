//! The bootstrap of a sidecar: who it is, and where its configuration comes from.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::str::FromStr;

use serde_json::{Value, json};

use super::IpFamilies;
use super::security::{Credential, Tls};
use super::transparent;
use crate::translate::names::CONTROL_PLANE;
use crate::translate::names::RUNTIME;

/// Where the control plane listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ControlPlane {
    /// At an address.
    Address(SocketAddr),
    /// At whatever DNS says.
    Name {
        /// The name.
        host: String,
        /// The port.
        port: NonZeroU16,
    },
}

/// The text is not of the form `HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not of the form HOST:PORT, where HOST is a name, an IPv4 address or an IPv6 address in brackets"
)]
pub struct NotAnAddress(String);

impl FromStr for ControlPlane {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let fault = || NotAnAddress(text.to_owned());
        if let Ok(address) = text.parse::<SocketAddr>() {
            return match address.port() {
                0 => Err(fault()),
                _ => Ok(Self::Address(address)),
            };
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(fault)?;
        let in_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if host.is_empty() || !host.chars().all(in_name) {
            return Err(fault());
        }
        Ok(Self::Name {
            host: host.to_owned(),
            port: port.parse().map_err(|_| fault())?,
        })
    }
}

impl fmt::Display for ControlPlane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::Name { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

/// The variant of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// Only what changed is sent.
    Delta,
    /// All of a type is sent when one of it changes.
    StateOfTheWorld,
}

/// What a sidecar is started with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Bootstrap {
    /// `NAMESPACE/NAME` of the Pod, or of its Deployment, StatefulSet or DaemonSet.
    pub node_id: String,
    /// The cluster that the node says it belongs to; for statistics only, but Envoy wants one.
    pub node_cluster: String,
    /// Where the control plane listens.
    pub control_plane: ControlPlane,
    /// How it sends.
    pub delivery: Delivery,
    /// TLS to the control plane; `None` is plain text.
    pub tls: Option<Tls>,
    /// A token that tells who the sidecar is.
    pub token: Option<Credential>,
    /// Where the sidecar's administration listens; `None` leaves it out.
    pub admin: Option<SocketAddr>,
    /// Transparent capture of connections of these families; `None` leaves it out.
    pub transparent: Option<IpFamilies>,
}

impl Bootstrap {
    /// As proto3 JSON of `envoy.config.bootstrap.v3.Bootstrap`.
    pub fn to_json(&self) -> Value {
        let mut bootstrap = json!({
            "node": { "id": self.node_id, "cluster": self.node_cluster },
        });
        if let Some(admin) = self.admin {
            bootstrap["admin"] =
                json!({ "address": socket(&admin.ip().to_string(), admin.port()) });
        }
        let mut service = json!({ "envoy_grpc": { "cluster_name": CONTROL_PLANE } });
        if let Some(Credential::Fixed(token)) = &self.token {
            service["initial_metadata"] = token.to_json();
        }
        let mut ads = json!({ "ads": {}, "resource_api_version": "V3" });
        // Applications wait for their sidecar: start without shares rather than late.
        let mut rtds = ads.clone();
        rtds["initial_fetch_timeout"] = json!("5s");
        if self.transparent.is_some() {
            rtds["initial_fetch_timeout"] = json!(transparent::PATIENCE);
            ads["initial_fetch_timeout"] = json!(transparent::PATIENCE);
        }
        bootstrap["dynamic_resources"] = json!({
            "ads_config": {
                "api_type": match self.delivery {
                    Delivery::Delta => "DELTA_GRPC",
                    Delivery::StateOfTheWorld => "GRPC",
                },
                "transport_api_version": "V3",
                // A node describes itself in 60 KB.
                "set_node_on_first_message_only": true,
                "grpc_services": [&service],
            },
            "cds_config": &ads,
            "lds_config": &ads,
        });
        // Nothing is reported unless the control plane asks for it.
        bootstrap["cluster_manager"] = json!({
            "load_stats_config": {
                "api_type": "GRPC",
                "transport_api_version": "V3",
                "grpc_services": [service],
            },
        });
        bootstrap["layered_runtime"] = json!({
            "layers": [
                { "name": RUNTIME, "rtds_layer": { "name": RUNTIME, "rtds_config": rtds } },
                // Last, so that it wins: it switches mirroring off where no control plane is.
                { "name": "admin", "admin_layer": {} },
            ],
        });
        let mut clusters = vec![self.cluster()];
        if let Some(families) = self.transparent {
            clusters.extend(transparent::clusters());
            bootstrap["static_resources"]["listeners"] = transparent::listeners(families);
        }
        bootstrap["static_resources"]["clusters"] = json!(clusters);
        bootstrap
    }

    /// As YAML, the form in which bootstraps are read by people.
    pub fn to_yaml(&self) -> String {
        serde_saphyr::to_string(&self.to_json()).expect("a JSON value has string keys only")
    }

    fn cluster(&self) -> Value {
        let (discovery, host, port) = match &self.control_plane {
            ControlPlane::Address(at) => ("STATIC", at.ip().to_string(), at.port()),
            ControlPlane::Name { host, port } => ("STRICT_DNS", host.clone(), port.get()),
        };
        let endpoint = socket(&host, port);
        let mut options = json!({
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {
                "http2_protocol_options": {
                    // Notices a control plane that went away without a word.
                    "connection_keepalive": { "interval": "30s", "timeout": "5s" },
                },
            },
        });
        if let Some(Credential::File(file)) = &self.token {
            options["http_filters"] = file.filters();
        }
        let mut cluster = json!({
            "name": CONTROL_PLANE,
            "type": discovery,
            "connect_timeout": "1s",
            "load_assignment": {
                "cluster_name": CONTROL_PLANE,
                "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": endpoint } }] }],
            },
            "typed_extension_protocol_options": {
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options,
            },
        });
        if matches!(self.control_plane, ControlPlane::Name { .. }) {
            // Else the sidecar starts only once DNS has answered, or has not for all search domains: minutes, in which
            // the application is connected to nothing.
            cluster["wait_for_warm_on_init"] = json!(false);
            // By default an IPv6 address hides the IPv4 ones, and `localhost` has both.
            cluster["dns_lookup_family"] = json!("V4_PREFERRED");
        }
        if let Some(tls) = &self.tls {
            cluster["transport_socket"] = tls.to_json(&host);
        }
        cluster
    }
}

pub(super) fn socket(address: &str, port: u16) -> Value {
    json!({ "socket_address": { "address": address, "port_value": port } })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{Bootstrap, ControlPlane, Delivery};

    fn bootstrap(control_plane: &str) -> Bootstrap {
        Bootstrap {
            node_id: "curl/curl-7f9c".to_owned(),
            node_cluster: "curl".to_owned(),
            control_plane: control_plane.parse().unwrap(),
            delivery: Delivery::Delta,
            tls: None,
            token: None,
            admin: None,
            transparent: None,
        }
    }

    fn at<'a>(json: &'a Value, pointer: &str) -> &'a Value {
        json.pointer(pointer).unwrap_or(&Value::Null)
    }

    #[test]
    fn the_control_plane_is_an_address_or_a_name() {
        const ADDRESS: &str = "/static_resources/clusters/0/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";
        for (text, kind, host) in [
            ("127.0.0.1:18000", "STATIC", "127.0.0.1"),
            ("[fd00::1]:18000", "STATIC", "fd00::1"),
            ("localhost:18000", "STRICT_DNS", "localhost"),
            (
                "mirrorplane.mesh.svc:18000",
                "STRICT_DNS",
                "mirrorplane.mesh.svc",
            ),
        ] {
            let json = bootstrap(text).to_json();
            assert_eq!(at(&json, "/static_resources/clusters/0/type"), kind);
            assert_eq!(at(&json, &format!("{ADDRESS}/address")), host);
            assert_eq!(at(&json, &format!("{ADDRESS}/port_value")), 18000);
            assert_eq!(bootstrap(text).control_plane.to_string(), text);
        }
    }

    #[test]
    fn other_addresses_are_refused() {
        for text in [
            "",
            "localhost",
            ":1",
            "localhost:",
            "localhost:0",
            "localhost:65536",
            "127.0.0.1:0",
            "::1:18000",
            "fd00::1",
            "http://localhost:1",
            "a b:1",
        ] {
            assert!(text.parse::<ControlPlane>().is_err(), "{text}");
        }
    }

    #[test]
    fn only_what_is_asked_for_is_there() {
        let mut asked = bootstrap("localhost:18000");
        assert_eq!(at(&asked.to_json(), "/admin"), &Value::Null);
        asked.admin = Some("127.0.0.1:15000".parse().unwrap());
        asked.delivery = Delivery::StateOfTheWorld;
        let json = asked.to_json();
        assert_eq!(at(&json, "/admin/address/socket_address/port_value"), 15000);
        assert_eq!(at(&json, "/dynamic_resources/ads_config/api_type"), "GRPC");
    }

    #[test]
    fn the_yaml_says_what_the_json_says() {
        let mut bootstrap = bootstrap("[fd00::1]:18000");
        for id in [
            "curl/curl-7f9c",
            "1e3",
            "yes",
            "a: b",
            "\"",
            "0x10/null",
            "line\nbreak",
        ] {
            bootstrap.node_id = id.to_owned();
            let read: Value = serde_saphyr::from_str(&bootstrap.to_yaml()).unwrap();
            assert_eq!(read, bootstrap.to_json());
        }
    }
}
