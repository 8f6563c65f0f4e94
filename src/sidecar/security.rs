//! How a sidecar connects to the control plane: TLS, its own certificate, a token.

use serde_json::Value;
use serde_json::json;

use super::token_file::TokenFile;

/// TLS to the control plane. The files are read by the sidecar, when it starts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tls {
    /// PEM file of the CAs that the control plane's certificate is verified with.
    pub ca: String,
    /// PEM files of the sidecar's own certificate and its key.
    pub identity: Option<Identity>,
    /// The name or address in the control plane's certificate; `None` is where it is connected to.
    pub server_name: Option<String>,
}

/// A certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// PEM file of the certificate, then the intermediate ones.
    pub certificate: String,
    /// PEM file of the private key.
    pub key: String,
}

impl Tls {
    /// As a `transport_socket`; `host` is what is connected to.
    pub(super) fn to_json(&self, host: &str) -> Value {
        let name = self.server_name.as_deref().unwrap_or(host);
        let is_address = name.parse::<std::net::IpAddr>().is_ok();
        let mut common = json!({
            "tls_params": { "tls_maximum_protocol_version": "TLSv1_3" },
            "alpn_protocols": ["h2"],
            "validation_context": {
                "trusted_ca": { "filename": self.ca },
                // Envoy verifies no name unless it is told to.
                "match_typed_subject_alt_names": [{
                    "san_type": if is_address { "IP_ADDRESS" } else { "DNS" },
                    "matcher": { "exact": name },
                }],
            },
        });
        if let Some(Identity { certificate, key }) = &self.identity {
            common["tls_certificates"] = json!([{
                "certificate_chain": { "filename": certificate },
                "private_key": { "filename": key },
            }]);
        }
        let mut context = json!({
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        });
        // RFC 6066, section 3: an address is no server name.
        if !is_address {
            context["sni"] = json!(name);
        }
        context["common_tls_context"] = common;
        json!({ "name": "envoy.transport_sockets.tls", "typed_config": context })
    }
}

/// How a sidecar shows a bearer token.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Credential {
    /// One for as long as it runs, which becomes a part of the bootstrap.
    Fixed(Token),
    /// Whatever a file holds when a stream is opened.
    File(TokenFile),
}

/// A bearer token for the `authorization` header.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Token(String);

/// The text cannot be a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not one token of A-Z a-z 0-9 - . _ ~ + / and = at the end")]
pub struct NotAToken;

impl Token {
    /// Takes what a file holds; white space around it does not count.
    ///
    /// # Errors
    ///
    /// If it is not a `b64token` (RFC 6750, section 2.1). Anything else could mean something to Envoy, as `%` does.
    pub fn new(text: &str) -> Result<Self, NotAToken> {
        let text = text.trim();
        let body = text.trim_end_matches('=');
        let allowed = |c: u8| c.is_ascii_alphanumeric() || b"-._~+/".contains(&c);
        if body.is_empty() || !body.bytes().all(allowed) {
            return Err(NotAToken);
        }
        Ok(Self(text.to_owned()))
    }

    /// As `initial_metadata` of a gRPC service.
    pub(super) fn to_json(&self) -> Value {
        json!([{ "key": "authorization", "value": format!("Bearer {}", self.0) }])
    }
}

/// Without the token.
impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Token").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::Tls;
    use super::Token;

    #[test]
    fn the_name_of_the_server_is_verified() {
        const MATCH: &str =
            "/typed_config/common_tls_context/validation_context/match_typed_subject_alt_names/0";
        for (host, server_name, kind, name, sni) in [
            ("127.0.0.1", None, "IP_ADDRESS", "127.0.0.1", false),
            ("fd00::1", None, "IP_ADDRESS", "fd00::1", false),
            ("mesh.svc", None, "DNS", "mesh.svc", true),
            ("127.0.0.1", Some("mesh.svc"), "DNS", "mesh.svc", true),
        ] {
            let tls = Tls {
                ca: "ca.crt".to_owned(),
                identity: None,
                server_name: server_name.map(str::to_owned),
            };
            let json = tls.to_json(host);
            let matcher = json.pointer(MATCH).unwrap();
            assert_eq!(matcher["san_type"], kind, "{host}");
            assert_eq!(matcher["matcher"]["exact"], name, "{host}");
            let said = json.pointer("/typed_config/sni");
            assert_eq!(said.and_then(|sni| sni.as_str()), sni.then_some(name));
        }
    }

    #[test]
    fn a_token_is_one_word_and_is_not_shown() {
        let token = Token::new(" abc-._~+/9== \n").unwrap();
        assert_eq!(token.to_json()[0]["value"], "Bearer abc-._~+/9==");
        assert_eq!(format!("{token:?}"), "Token(..)");
        for text in ["", "\n", "=", "a b", "a\nb", "%ENVIRONMENT(HOME)%", "a\0"] {
            assert!(Token::new(text).is_err(), "{text}");
        }
    }
}
