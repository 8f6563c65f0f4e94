//! TLS to a target, in `spec.config`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// TLS to a target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TargetTls {
    /// The name that the server is asked for and that its certificate has to be for; if absent the host, of a Service
    /// `SERVICE.NAMESPACE.svc`.
    pub sni: Option<String>,
    /// Certificates of the authorities that are believed, as PEM; `system` or absent for those of the sidecar's image, in
    /// `/etc/ssl/certs/ca-certificates.crt`.
    pub ca: Option<String>,
    /// Whether any certificate is believed, for any name.
    pub insecure_skip_verify: bool,
}
