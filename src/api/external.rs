//! A target that is no Service, in `spec.config`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A host that is no Service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExternalTarget {
    /// Its name for DNS, or its address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// What it speaks, as in a Service: `http`, or `http2`, `h2c` or `grpc` for HTTP/2. `http` if absent.
    #[serde(default)]
    pub app_protocol: Option<String>,
    /// Speaks TLS to it, also if nothing is said below; without TLS if absent.
    #[serde(default)]
    pub tls: Option<ExternalTls>,
}

/// TLS to a host that is no Service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ExternalTls {
    /// The name that the server is asked for and that its certificate has to be for; the host if absent.
    pub sni: Option<String>,
    /// Certificates of the authorities that are believed, as PEM; `system` or absent for those of the sidecar's image, in
    /// `/etc/ssl/certs/ca-certificates.crt`.
    pub ca: Option<String>,
    /// Whether any certificate is believed, for any name.
    pub insecure_skip_verify: bool,
}
