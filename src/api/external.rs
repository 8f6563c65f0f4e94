//! A target that is no Service, in `spec.config`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::target_tls::TargetTls;

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
    pub tls: Option<TargetTls>,
}
