//! `external`: a target that is no Service.

use std::net::IpAddr;
use std::num::NonZeroU16;

use super::copy::is_host;
use super::decode::Reader;
use super::tls;
use crate::api::external::ExternalTarget;
use crate::diag::{Code, Diagnostic, FieldPath};
use crate::model::{External, Protocol, ServerName};

/// Where servers speak TLS.
const HTTPS: u16 = 443;

/// Reads it; what is wrong is reported.
pub(super) fn read(reader: &mut Reader<'_>) -> Option<External> {
    let target: ExternalTarget = reader.optional("external")?;
    let here = FieldPath::root().key("external");
    let host = host(&target.host, here.clone().key("host"), reader);
    let port = NonZeroU16::new(target.port);
    if port.is_none() {
        reader.error(
            Code::BadConfigValue,
            here.clone().key("port"),
            "0 is not a port".to_owned(),
            "give the number of a port, 1 to 65535".to_owned(),
        );
    }
    if target.port == HTTPS && target.tls.is_none() {
        let path = FieldPath::of("spec.config").join(&here).key("port");
        let message = format!("port {HTTPS} without `tls`");
        reader.report.push(
            Diagnostic::new(Code::ExternalPlain, reader.origin, path, message)
                .effect("copies go there in plain text, for everybody on the way to read")
                .help("write `tls: {}` beside it"),
        );
    }
    let protocol = match target.app_protocol.as_deref() {
        None | Some("http") => Some(Protocol::Http1),
        Some("http2" | "h2c" | "grpc") => Some(Protocol::Http2),
        Some(other) => {
            reader.error(
                Code::BadConfigValue,
                here.clone().key("appProtocol"),
                format!("{other:?} cannot be mirrored"),
                "give `http`, `http2` or `grpc`; TLS is asked for by `tls`".to_owned(),
            );
            None
        }
    };
    let tls = match target.tls {
        Some(keys) => {
            let name = host.as_deref().map(ServerName::of_host);
            Some(tls::read(keys, name, here.key("tls"), reader)?)
        }
        None => None,
    };
    Some(External {
        host: host?,
        port: port?,
        protocol: protocol?,
        tls,
    })
}

/// A name, or an address without brackets.
fn host(text: &str, at: FieldPath, reader: &mut Reader<'_>) -> Option<String> {
    let is_address = text.parse::<IpAddr>().is_ok();
    let is_number =
        |label: &str| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_digit());
    // `10.0.0.300`: no name ends in a number (RFC 1123, section 2.1).
    let is_numbers = text.split('.').all(is_number);
    if is_address || (is_host(text) && !is_numbers && !text.contains([':', '['])) {
        return Some(text.to_ascii_lowercase());
    }
    reader.error(
        Code::BadConfigValue,
        at,
        format!("{text:?} is not a host"),
        "give a name or an address, without a scheme, a port and a path: `shadow.example`"
            .to_owned(),
    );
    None
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::{TargetRef, read};
    use crate::diag::Report;
    use crate::dialect::fixture::{found, nowhere};
    use crate::model::{External, Protocol, ServerName, ServerTls, Trust};

    fn external(external: Value) -> Result<External, Vec<String>> {
        target(json!({"external": external, "percentage": {"value": 1}}))
    }

    fn target(config: Value) -> Result<External, Vec<String>> {
        let mut report = Report::default();
        let spec = read(&config, &nowhere(), "otherwise", &mut report);
        match spec.map(|spec| spec.target) {
            Some(TargetRef::External(external)) => Ok(External::clone(&external)),
            _ => Err(found(&report)),
        }
    }

    #[test]
    fn a_host_is_spoken_to_as_it_is_said() {
        let plain = |host: &str, protocol| External {
            host: host.to_owned(),
            port: 8080.try_into().unwrap(),
            protocol,
            tls: None,
        };
        let named = plain("shadow.example", Protocol::Http1);
        assert_eq!(
            external(json!({"host": "Shadow.example", "port": 8080})),
            Ok(named.clone())
        );
        assert_eq!(named.authority(), "shadow.example:8080");
        let six =
            external(json!({"host": "fd00::1", "port": 8080, "appProtocol": "grpc"})).unwrap();
        assert_eq!(six, plain("fd00::1", Protocol::Http2));
        assert_eq!(six.authority(), "[fd00::1]:8080");

        let tls = |keys: Value| {
            let external =
                external(json!({"host": "a.example", "port": 443, "tls": keys})).unwrap();
            assert_eq!(external.authority(), "a.example");
            external.tls.unwrap()
        };
        let name = |name: &str| ServerName::Dns(name.to_owned());
        assert_eq!(
            tls(json!({})),
            ServerTls {
                name: name("a.example"),
                trust: Trust::System
            }
        );
        assert_eq!(
            tls(json!({"sni": "b.example", "insecureSkipVerify": true})),
            ServerTls {
                name: name("b.example"),
                trust: Trust::Anybody
            }
        );
        let pem = rcgen::generate_simple_self_signed(["a".to_owned()])
            .unwrap()
            .cert
            .pem();
        assert_eq!(tls(json!({"ca": pem})).trust, Trust::Authorities(pem));
    }

    #[test]
    fn plain_text_to_the_port_of_https_is_told() {
        for (keys, expected) in [
            (json!({"host": "a.example", "port": 443}), true),
            (json!({"host": "a.example", "port": 443, "tls": {}}), false),
            (json!({"host": "a.example", "port": 80}), false),
        ] {
            let config = json!({"external": keys, "percentage": {"value": 1}});
            let mut report = Report::default();
            assert!(read(&config, &nowhere(), "otherwise", &mut report).is_some());
            let told = ["ExternalPlain spec.config.external.port".to_owned()];
            assert_eq!(found(&report) == told, expected, "{keys}");
        }
    }

    #[test]
    fn what_is_no_host_or_no_certificate_is_told() {
        for (value, at) in [
            (json!({"port": 1}), "external.host"),
            (json!({"host": "http://a", "port": 1}), "external.host"),
            (json!({"host": "a:80", "port": 1}), "external.host"),
            (json!({"host": "10.0.0.300", "port": 1}), "external.host"),
            (json!({"host": "10.0.0", "port": 1}), "external.host"),
            (json!({"host": "a", "port": 0}), "external.port"),
            (json!({"host": "a", "port": "http"}), "external.port"),
            (
                json!({"host": "a", "port": 1, "appProtocol": "https"}),
                "external.appProtocol",
            ),
            (
                json!({"host": "a", "port": 1, "tls": {"ca": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}}),
                "external.tls.ca",
            ),
            (
                json!({"host": "a", "port": 1, "tls": {"ca": "me"}}),
                "external.tls.ca",
            ),
            (
                json!({"host": "a", "port": 1, "tls": {"ca": "system", "insecureSkipVerify": true}}),
                "external.tls.ca",
            ),
            (
                json!({"host": "a", "port": 1, "tls": {"sni": "10.0.0.1"}}),
                "external.tls.sni",
            ),
            (json!({"host": "a", "port": 1, "tls": true}), "external.tls"),
        ] {
            let expected = vec![format!("BadConfigValue spec.config.{at}")];
            assert_eq!(external(value.clone()), Err(expected), "{value}");
        }
    }

    #[test]
    fn a_target_is_a_service_or_a_host() {
        let both = json!({
            "namespace": "n", "port": 80, "external": {"host": "a", "port": 1}, "percentage": {"value": 1},
        });
        assert_eq!(
            target(both),
            Err(vec![
                "BadConfigValue spec.config.namespace".to_owned(),
                "BadConfigValue spec.config.port".to_owned(),
            ])
        );
    }
}
