//! TLS to a target: who it has to be, and who vouches for it.

use envoy_types::pb::envoy::config::core::v3::data_source::Specifier;
use envoy_types::pb::envoy::config::core::v3::transport_socket::ConfigType;
use envoy_types::pb::envoy::config::core::v3::{DataSource, TransportSocket};
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::common_tls_context::ValidationContextType;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::subject_alt_name_matcher::SanType;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{
    CertificateValidationContext, CommonTlsContext, SubjectAltNameMatcher, UpstreamTlsContext,
};
use envoy_types::pb::envoy::r#type::matcher::v3::StringMatcher;
use envoy_types::pb::envoy::r#type::matcher::v3::string_matcher::MatchPattern;
use envoy_types::util::pack_any;

use crate::model::{Protocol, ServerName, ServerTls, Trust};

/// Where the images of Envoy, and most others, keep the authorities that they believe.
const SYSTEM: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The socket of a cluster that speaks TLS, and this protocol within.
pub(super) fn socket(tls: &ServerTls, protocol: Protocol) -> TransportSocket {
    let alpn = match protocol {
        Protocol::Http1 => "http/1.1",
        Protocol::Http2 => "h2",
    };
    let source = match &tls.trust {
        Trust::System => Some(Specifier::Filename(SYSTEM.to_owned())),
        Trust::Authorities(pem) => Some(Specifier::InlineString(pem.clone())),
        Trust::Anybody => None,
    };
    let sni = match &tls.name {
        ServerName::Dns(name) => name.clone(),
        ServerName::Address(_) => String::new(),
    };
    let context = UpstreamTlsContext {
        sni,
        common_tls_context: Some(CommonTlsContext {
            alpn_protocols: vec![alpn.to_owned()],
            validation_context_type: source.map(|source| {
                ValidationContextType::ValidationContext(CertificateValidationContext {
                    trusted_ca: Some(DataSource {
                        specifier: Some(source),
                        ..DataSource::default()
                    }),
                    match_typed_subject_alt_names: vec![matcher(&tls.name)],
                    ..CertificateValidationContext::default()
                })
            }),
            ..CommonTlsContext::default()
        }),
        ..UpstreamTlsContext::default()
    };
    TransportSocket {
        name: "envoy.transport_sockets.tls".to_owned(),
        config_type: Some(ConfigType::TypedConfig(pack_any(context))),
    }
}

/// Who the server has to be: that somebody vouches for it does not say that it is the one.
fn matcher(server: &ServerName) -> SubjectAltNameMatcher {
    let (kind, name) = match server {
        ServerName::Dns(name) => (SanType::Dns, name.clone()),
        ServerName::Address(address) => (SanType::IpAddress, address.to_string()),
    };
    SubjectAltNameMatcher {
        san_type: kind.into(),
        matcher: Some(StringMatcher {
            match_pattern: Some(MatchPattern::Exact(name)),
            ..StringMatcher::default()
        }),
        ..SubjectAltNameMatcher::default()
    }
}
