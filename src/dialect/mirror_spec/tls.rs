//! `tls`: how a target proves who it is.

use std::net::IpAddr;

use super::copy::is_host;
use super::decode::Reader;
use crate::api::target_tls::TargetTls;
use crate::diag::{Code, FieldPath};
use crate::model::{ServerName, ServerTls, Trust};

/// The longest list of certificates that is sent to every sidecar.
const LONGEST: usize = 64 * 1024;

/// Reads the keys at a place; what is wrong is reported. `name` is who the server is if they do not say.
pub(super) fn read(
    keys: TargetTls,
    name: Option<ServerName>,
    here: FieldPath,
    reader: &mut Reader<'_>,
) -> Option<ServerTls> {
    let mut name = name;
    if let Some(sni) = keys.sni {
        if !is_host(&sni) || sni.contains([':', '[']) || sni.parse::<IpAddr>().is_ok() {
            reader.error(
                Code::BadConfigValue,
                here.key("sni"),
                format!("{sni:?} is not a name that a server has"),
                "give a name for DNS: `shadow.example`".to_owned(),
            );
            return None;
        }
        name = Some(ServerName::Dns(sni.to_ascii_lowercase()));
    }
    let trust = match (keys.insecure_skip_verify, keys.ca) {
        (true, None) => Trust::Anybody,
        (true, Some(_)) => {
            reader.error(
                Code::BadConfigValue,
                here.key("ca"),
                "`ca` means nothing with `insecureSkipVerify`".to_owned(),
                "leave one of them out".to_owned(),
            );
            return None;
        }
        (false, None) => Trust::System,
        (false, Some(word)) if word == "system" => Trust::System,
        (false, Some(pem)) if is_pem(&pem) => Trust::Authorities(pem),
        (false, Some(_)) => {
            reader.error(
                Code::BadConfigValue,
                here.key("ca"),
                "`ca` is no certificate".to_owned(),
                format!(
                    "give `system`, or the certificates of authorities as PEM, {} KiB at most",
                    LONGEST / 1024
                ),
            );
            return None;
        }
    };
    Some(ServerTls { name: name?, trust })
}

/// Certificates and nothing that is secret. A sidecar refuses a whole cluster for the sake of one that it cannot read.
fn is_pem(text: &str) -> bool {
    use tokio_rustls::rustls::pki_types::CertificateDer;
    use tokio_rustls::rustls::pki_types::pem::PemObject;

    let mut some = false;
    let sound = CertificateDer::pem_slice_iter(text.as_bytes()).all(|one| {
        some = true;
        one.is_ok_and(|der| x509_parser::parse_x509_certificate(&der).is_ok())
    });
    sound && some && text.len() <= LONGEST && !text.contains("PRIVATE KEY")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::{TargetRef, read};
    use crate::diag::Report;
    use crate::dialect::fixture::{found, nowhere};
    use crate::model::{ServerName, ServerTls, Trust};

    fn tls(value: &Value) -> Result<Option<ServerTls>, Vec<String>> {
        let config = json!({
            "namespace": "N", "service": "s", "port": 1, "percentage": {"value": 1}, "tls": value,
        });
        let mut report = Report::default();
        let spec = read(&config, &nowhere(), "otherwise", &mut report);
        match spec.map(|spec| spec.target) {
            Some(TargetRef::Service { tls, .. }) => Ok(tls.as_deref().cloned()),
            _ => Err(found(&report)),
        }
    }

    #[test]
    fn a_service_is_known_by_its_name_in_the_cluster() {
        let server = |name: &str, trust| {
            let name = ServerName::Dns(name.to_owned());
            Ok(Some(ServerTls { name, trust }))
        };
        assert_eq!(tls(&json!({})), server("s.n.svc", Trust::System));
        let other = json!({"sni": "V2.example", "insecureSkipVerify": true});
        assert_eq!(tls(&other), server("v2.example", Trust::Anybody));
        let pem = rcgen::generate_simple_self_signed(["a".to_owned()])
            .unwrap()
            .cert
            .pem();
        let trusted = json!({"ca": pem});
        assert_eq!(tls(&trusted), server("s.n.svc", Trust::Authorities(pem)));
    }

    #[test]
    fn what_proves_nothing_is_told() {
        for (value, at) in [
            (json!(true), "tls"),
            (json!({"ca": "me"}), "tls.ca"),
            (json!({"ca": ""}), "tls.ca"),
            (
                json!({"ca": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}),
                "tls.ca",
            ),
            (
                json!({"ca": "system", "insecureSkipVerify": true}),
                "tls.ca",
            ),
            (
                json!({"insecureSkipVerify": "yes"}),
                "tls.insecureSkipVerify",
            ),
            (json!({"sni": "10.0.0.1"}), "tls.sni"),
            (json!({"sni": "a:443"}), "tls.sni"),
        ] {
            let expected = vec![format!("BadConfigValue spec.config.{at}")];
            assert_eq!(tls(&value), Err(expected), "{value}");
        }
        let unknown = vec!["UnknownConfigKey spec.config.tls.caa".to_owned()];
        assert_eq!(tls(&json!({"caa": "system"})), Err(unknown));
    }
}
