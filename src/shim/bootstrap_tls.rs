//! The part of the bootstrap that says how to connect securely: a cluster's TLS, and a service's metadata.

use std::net::IpAddr;
use std::path::PathBuf;

use http::HeaderName;
use serde::Deserialize;
use tonic::metadata::{Ascii, MetadataKey, MetadataValue};

use super::{BootstrapError, field};

/// TLS to the control plane. The files are read at each connection, so that new ones count from the next one on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// PEM file of the CAs that the control plane's certificate is verified with.
    pub ca: PathBuf,
    /// PEM files of a certificate and its key, if the client has one.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// The name or address that the control plane's certificate must have.
    pub server_name: String,
}

/// A header of every stream.
pub type Metadata = (MetadataKey<Ascii>, MetadataValue<Ascii>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TransportSocket {
    #[serde(rename = "name")]
    _name: String,
    typed_config: UpstreamTlsContext,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UpstreamTlsContext {
    #[serde(rename = "@type")]
    _type: UpstreamTlsContextType,
    /// The shim asks for the name that it verifies.
    sni: Option<String>,
    common_tls_context: CommonTlsContext,
}

#[derive(Deserialize)]
enum UpstreamTlsContextType {
    #[serde(
        rename = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
    )]
    V3,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CommonTlsContext {
    #[serde(default, rename = "tls_params")]
    _tls_params: TlsParams,
    #[serde(default)]
    alpn_protocols: Vec<String>,
    validation_context: ValidationContext,
    #[serde(default)]
    tls_certificates: Vec<TlsCertificate>,
}

/// The shim speaks 1.2 and 1.3 in any case.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct TlsParams {
    #[serde(default, rename = "tls_maximum_protocol_version")]
    _maximum: Option<TlsVersion>,
}

#[derive(Deserialize)]
enum TlsVersion {
    #[serde(rename = "TLSv1_3")]
    V13,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ValidationContext {
    trusted_ca: DataSource,
    match_typed_subject_alt_names: Vec<SanMatcher>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SanMatcher {
    san_type: SanType,
    matcher: Exact,
}

#[derive(Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum SanType {
    Dns,
    IpAddress,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exact {
    exact: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TlsCertificate {
    certificate_chain: DataSource,
    private_key: DataSource,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DataSource {
    filename: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HeaderValue {
    key: String,
    value: String,
}

impl TransportSocket {
    pub(super) fn into_tls(self) -> Result<Tls, BootstrapError> {
        let fault = |path: &str, message: &str| {
            Err(field(
                format!("transport_socket.typed_config.{path}"),
                message,
            ))
        };
        let common = self.typed_config.common_tls_context;
        if common.alpn_protocols != ["h2"] {
            return fault("common_tls_context.alpn_protocols", "[h2] is needed");
        }
        let validation = common.validation_context;
        let Ok([name]) = <[SanMatcher; 1]>::try_from(validation.match_typed_subject_alt_names)
        else {
            return fault(
                "common_tls_context.validation_context.match_typed_subject_alt_names",
                "exactly one is supported",
            );
        };
        let server_name = name.matcher.exact;
        if server_name.parse::<IpAddr>().is_ok() != matches!(name.san_type, SanType::IpAddress) {
            return fault(
                "common_tls_context.validation_context.match_typed_subject_alt_names[0].matcher.exact",
                "not of that san_type",
            );
        }
        if self.typed_config.sni.is_some_and(|sni| sni != server_name) {
            return fault("sni", "another name than that which is verified");
        }
        let mut own = common.tls_certificates.into_iter();
        let identity = own
            .next()
            .map(|own| (own.certificate_chain.filename, own.private_key.filename));
        if own.next().is_some() {
            return fault("common_tls_context.tls_certificates", "one is supported");
        }
        Ok(Tls {
            ca: validation.trusted_ca.filename,
            identity,
            server_name,
        })
    }
}

/// Headers of the streams, from `initial_metadata`.
pub(super) fn metadata(headers: Vec<HeaderValue>) -> Result<Vec<Metadata>, BootstrapError> {
    let read = |header: HeaderValue| {
        // Envoy would format it.
        if header.value.contains('%') {
            return Err("`%` is not supported");
        }
        let key = HeaderName::try_from(&header.key).map_err(|_| "not a header name")?;
        let key = MetadataKey::from_bytes(key.as_str().as_bytes())
            .map_err(|_| "not a key of text metadata")?;
        let value = header.value.parse().map_err(|_| "not a header value")?;
        Ok((key, value))
    };
    let numbered = headers.into_iter().enumerate();
    numbered
        .map(|(index, header)| {
            read(header).map_err(|message| {
                let path = "dynamic_resources.ads_config.grpc_services[0].initial_metadata";
                field(format!("{path}[{index}]"), message)
            })
        })
        .collect()
}
