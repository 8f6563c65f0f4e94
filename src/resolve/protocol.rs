//! What a port of a Service speaks.

use crate::api::core::ServicePort;
use crate::model::{Certainty, Protocol};

/// The HTTP version of a port, or why it is not HTTP that can be mirrored.
///
/// As in osm-edge, `appProtocol` decides, then the prefix of the port's name, and a port that says nothing is HTTP.
pub(super) fn of(port: &ServicePort) -> Result<Protocol, String> {
    match port.protocol.as_deref() {
        None | Some("" | "TCP") => {}
        Some(transport) => return Err(format!("it is {transport}")),
    }
    let app_protocol = port.app_protocol.as_deref().unwrap_or_default();
    if !app_protocol.is_empty() {
        return match app_protocol.to_ascii_lowercase().as_str() {
            "http" | "http1" | "http/1.1" | "kubernetes.io/ws" => Ok(Protocol::Http1),
            "grpc" | "http2" | "h2c" | "kubernetes.io/h2c" => Ok(Protocol::Http2),
            _ => Err(format!("its appProtocol is {app_protocol}")),
        };
    }
    let name = port.name.as_deref().unwrap_or_default();
    let has_prefix = |prefix: &str| {
        let rest = name.strip_prefix(prefix);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    };
    if has_prefix("grpc") || has_prefix("http2") || has_prefix("h2c") {
        return Ok(Protocol::Http2);
    }
    // A port called just `tcp` is HTTP in osm-edge, which looks for `tcp-`.
    if has_prefix("https") || name.starts_with("tcp-") {
        return Err(format!("its name is {name}"));
    }
    Ok(Protocol::Http1)
}

/// The HTTP version that a port speaks within TLS, if it says that it speaks TLS. That is HTTP/1.1: whoever speaks HTTPS takes
/// it. Only a target can be such a port: what callers send to one is theirs, and sidecars cannot read it.
pub(super) fn within_tls(port: &ServicePort) -> Option<Protocol> {
    let app_protocol = port.app_protocol.as_deref().unwrap_or_default();
    let name = port.name.as_deref().unwrap_or_default();
    let says = match app_protocol.to_ascii_lowercase().as_str() {
        "" => name.split('-').next() == Some("https"),
        "https" | "kubernetes.io/wss" => true,
        _ => false,
    };
    let is_tcp = matches!(port.protocol.as_deref(), None | Some("" | "TCP"));
    (says && is_tcp).then_some(Protocol::Http1)
}

/// Whether a port says that it is plain: that it speaks HTTP without TLS.
pub(super) fn is_plain(port: &ServicePort) -> bool {
    let app_protocol = port.app_protocol.as_deref().unwrap_or_default();
    let name = port.name.as_deref().unwrap_or_default();
    let words = [
        "http",
        "http1",
        "http/1.1",
        "h2c",
        "kubernetes.io/h2c",
        "kubernetes.io/ws",
    ];
    match app_protocol.to_ascii_lowercase().as_str() {
        "" => ["http", "h2c"].contains(&name.split('-').next().unwrap_or_default()),
        word => words.contains(&word),
    }
}

/// How it is known that a port which is HTTP is so: by its `appProtocol` or by its name, or because nothing else is said.
pub(super) fn certainty(port: &ServicePort) -> Certainty {
    let says = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
    let name = port.name.as_deref().unwrap_or_default();
    let prefix = name.split('-').next().unwrap_or_default();
    match says(&port.app_protocol) || ["http", "http2", "h2c", "grpc"].contains(&prefix) {
        true => Certainty::Said,
        false => Certainty::Assumed,
    }
}

#[cfg(test)]
mod tests {
    use super::{certainty, is_plain, of, within_tls};
    use crate::api::core::ServicePort;
    use crate::model::{Certainty, Protocol};

    #[test]
    fn app_protocol_decides_then_the_name_and_the_rest_is_http() {
        for (transport, app_protocol, name, expected) in [
            (None, None, None, Some(Protocol::Http1)),
            (Some("TCP"), None, Some("pipy"), Some(Protocol::Http1)),
            (Some("UDP"), None, None, None),
            (Some("SCTP"), Some("http"), None, None),
            (None, Some("http"), Some("tcp-x"), Some(Protocol::Http1)),
            (None, Some("GRPC"), None, Some(Protocol::Http2)),
            (None, Some("kubernetes.io/h2c"), None, Some(Protocol::Http2)),
            (None, Some("kubernetes.io/ws"), None, Some(Protocol::Http1)),
            (None, Some("kubernetes.io/wss"), None, None),
            (None, Some("https"), Some("http"), None),
            (None, Some("tcp-server-first"), None, None),
            (None, Some("mysql"), None, None),
            (None, Some(""), Some("grpc"), Some(Protocol::Http2)),
            (None, None, Some("grpc-api"), Some(Protocol::Http2)),
            (None, None, Some("grpcish"), Some(Protocol::Http1)),
            (None, None, Some("http2"), Some(Protocol::Http2)),
            (None, None, Some("http-web"), Some(Protocol::Http1)),
            (None, None, Some("https-web"), None),
            (None, None, Some("https"), None),
            (None, None, Some("tcp-db"), None),
            (None, None, Some("tcp-server-first-db"), None),
            (None, None, Some("tcp"), Some(Protocol::Http1)),
        ] {
            let port = ServicePort {
                name: name.map(str::to_owned),
                port: 80,
                target_port: None,
                node_port: None,
                protocol: transport.map(str::to_owned),
                app_protocol: app_protocol.map(str::to_owned),
            };
            assert_eq!(of(&port).ok(), expected, "{port:?}");
        }
    }

    #[test]
    fn a_port_of_https_speaks_http_1_within_tls() {
        for (transport, app_protocol, name, within, plain) in [
            (None, Some("https"), None, true, false),
            (None, Some("HTTPS"), Some("http"), true, false),
            (None, Some("kubernetes.io/wss"), None, true, false),
            (None, None, Some("https"), true, false),
            (None, Some(""), Some("https-web"), true, false),
            (Some("TCP"), None, Some("https"), true, false),
            (Some("UDP"), None, Some("https"), false, false),
            (None, None, Some("httpsish"), false, false),
            (None, Some("grpc"), Some("https"), false, false),
            (None, Some("tcp"), Some("https"), false, false),
            (None, None, None, false, false),
            (None, None, Some("pipy"), false, false),
            // What is spoken over both.
            (None, Some("grpc"), None, false, false),
            (None, Some("http2"), None, false, false),
            (None, None, Some("grpc-api"), false, false),
            (None, Some("http"), Some("https"), false, true),
            (None, Some("h2c"), None, false, true),
            (None, Some("kubernetes.io/h2c"), None, false, true),
            (None, Some("kubernetes.io/ws"), None, false, true),
            (None, None, Some("http-web"), false, true),
            (None, None, Some("h2c"), false, true),
        ] {
            let port = ServicePort {
                name: name.map(str::to_owned),
                port: 443,
                target_port: None,
                node_port: None,
                protocol: transport.map(str::to_owned),
                app_protocol: app_protocol.map(str::to_owned),
            };
            let expected = within.then_some(Protocol::Http1);
            assert_eq!(within_tls(&port), expected, "{port:?}");
            assert_eq!(is_plain(&port), plain, "{port:?}");
            if within {
                assert!(of(&port).is_err(), "no destination: {port:?}");
            }
        }
    }

    #[test]
    fn what_a_port_says_is_certain() {
        for (app_protocol, name, expected) in [
            (None, None, Certainty::Assumed),
            (Some(""), Some("pipy"), Certainty::Assumed),
            (None, Some("tcp"), Certainty::Assumed),
            (None, Some("httpish"), Certainty::Assumed),
            (None, Some("http"), Certainty::Said),
            (None, Some("http-web"), Certainty::Said),
            (None, Some("grpc"), Certainty::Said),
            (Some("http"), Some("pipy"), Certainty::Said),
        ] {
            let port = ServicePort {
                name: name.map(str::to_owned),
                port: 80,
                target_port: None,
                node_port: None,
                protocol: None,
                app_protocol: app_protocol.map(str::to_owned),
            };
            assert_eq!(certainty(&port), expected, "{port:?}");
        }
    }
}
