//! What an injected sidecar starts with.

use std::net::Ipv4Addr;
use std::net::SocketAddr;

use serde_json::Value;
use serde_json::json;

use super::containers::READY_PATH;
use super::containers::READY_PORT;
use super::containers::sds_path;
use super::containers::token_path;
use super::settings::Settings;
use crate::sidecar::Bootstrap;
use crate::sidecar::Credential;
use crate::sidecar::Tls;
use crate::sidecar::TokenFile;

/// Where the proxy's administration listens: for the Pod itself only.
const ADMIN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 15000);
/// The Pod's address, which Kubernetes puts in when the container starts.
const POD_IP: &str = "$(POD_IP)";

/// The bootstrap as an argument of a container: JSON, in which Kubernetes puts the Pod's address.
pub(super) fn argument(settings: &Settings) -> String {
    // `$(X)` is a variable in an argument, `$$` a dollar.
    let text = bootstrap(settings).to_string().replace('$', "$$");
    text.replace(&POD_IP.replace('$', "$$"), POD_IP)
}

/// What the file has to hold by which Envoy follows the token; `None` if no token is shown.
pub(super) fn sds(settings: &Settings) -> Option<String> {
    Some(token(settings)?.sds().to_string())
}

/// A token is for who has proved to be the control plane.
fn token(settings: &Settings) -> Option<TokenFile> {
    settings.ca.as_ref().map(|_| TokenFile {
        path: token_path(),
        sds_path: sds_path(),
    })
}

fn bootstrap(settings: &Settings) -> Value {
    let bootstrap = Bootstrap {
        node_id: String::new(),
        node_cluster: String::new(),
        control_plane: settings.control_plane.clone(),
        delivery: settings.delivery,
        tls: settings.ca.as_ref().map(|_| Tls {
            ca: String::new(),
            identity: None,
            server_name: None,
        }),
        token: token(settings).map(Credential::File),
        admin: Some(ADMIN),
    };
    let mut json = bootstrap.to_json();
    // Who it is stands in other arguments, with the Pod's name.
    if let Some(fields) = json.as_object_mut() {
        fields.remove("node");
    }
    if let (Some(ca), Some(trusted)) = (
        &settings.ca,
        json.pointer_mut(
            "/static_resources/clusters/0/transport_socket/typed_config/common_tls_context/validation_context/trusted_ca",
        ),
    ) {
        *trusted = json!({ "inline_string": ca });
    }
    json["static_resources"]["listeners"] = json!([readiness()]);
    json
}

/// Answers the kubelet once the proxy takes connections, and no more when it was told to fail its health checks.
fn readiness() -> Value {
    json!({
        "name": "readiness",
        "address": { "socket_address": { "address": POD_IP, "port_value": READY_PORT } },
        "filter_chains": [{
            "filters": [{
                "name": "envoy.filters.network.http_connection_manager",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                    "stat_prefix": "readiness",
                    "route_config": { "name": "readiness", "virtual_hosts": [] },
                    "http_filters": [
                        {
                            "name": "envoy.filters.http.health_check",
                            "typed_config": {
                                "@type": "type.googleapis.com/envoy.extensions.filters.http.health_check.v3.HealthCheck",
                                "pass_through_mode": false,
                                "headers": [{ "name": ":path", "string_match": { "exact": READY_PATH } }],
                            },
                        },
                        {
                            "name": "envoy.filters.http.router",
                            "typed_config": {
                                "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
                            },
                        },
                    ],
                },
            }],
        }],
    })
}

#[cfg(test)]
mod tests {
    use super::super::fixture::settings;
    use super::argument;

    #[test]
    fn only_the_address_of_the_pod_is_a_variable() {
        let mut settings = settings();
        settings.ca = Some("$(HOME) $x $$".to_owned());
        let text = argument(&settings);
        assert!(
            text.contains(r#""inline_string":"$$(HOME) $$x $$$$""#),
            "{text}"
        );
        assert!(text.contains(r#""address":"$(POD_IP)""#), "{text}");
    }
}
