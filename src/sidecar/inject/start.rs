//! What an injected sidecar starts with.

use std::net::Ipv4Addr;
use std::net::SocketAddr;

use serde_json::Value;
use serde_json::json;

use super::containers::sds_path;
use super::containers::token_path;
use super::settings::Settings;
use crate::sidecar::Bootstrap;
use crate::sidecar::Credential;
use crate::sidecar::Tls;
use crate::sidecar::TokenFile;

/// Where the proxy's administration listens: for the Pod itself only.
const ADMIN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), ADMIN_PORT);
/// The port of it.
pub(super) const ADMIN_PORT: u16 = 15000;

/// The bootstrap as an argument of a container, in which `$(X)` would be a variable and `$$` is a dollar.
pub(super) fn argument(settings: &Settings) -> String {
    bootstrap(settings).to_string().replace('$', "$$")
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
        transparent: Some(settings.ip_families),
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
    json
}

#[cfg(test)]
mod tests {
    use super::super::fixture::settings;
    use super::argument;

    #[test]
    fn nothing_in_it_is_a_variable() {
        let mut settings = settings();
        settings.ca = Some("$(HOME) $x $$".to_owned());
        let text = argument(&settings);
        assert!(
            text.contains(r#""inline_string":"$$(HOME) $$x $$$$""#),
            "{text}"
        );
    }
}
