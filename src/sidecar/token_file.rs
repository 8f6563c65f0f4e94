//! A token that is replaced while the sidecar runs, as the kubelet does with one of a service account.
//!
//! `initial_metadata` is fixed for as long as the sidecar runs. So a filter of the control plane's cluster sets the header
//! instead, to a secret that Envoy reads from the file whenever a link or a file next to it is replaced.

use serde_json::Value;
use serde_json::json;

/// The name of the secret, in the bootstrap and in the SDS file.
const SECRET: &str = "token";

/// A bearer token in a file that is replaced by rename or by a swapped link: each new stream shows what it holds then.
///
/// Envoy reads the file only by way of another one, which never changes and has to be there when Envoy starts: that at
/// `sds_path`, with the content [`sds`](Self::sds).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TokenFile {
    /// Where the token is.
    pub path: String,
    /// Where the SDS file is.
    pub sds_path: String,
}

impl TokenFile {
    /// What the SDS file has to hold: proto3 JSON of a `DiscoveryResponse` with one secret. There is nothing secret in it.
    ///
    /// Envoy takes the format from the name: to be written as JSON to `*.json`, as YAML to `*.yaml`. JSON is YAML too.
    pub fn sds(&self) -> Value {
        json!({
            "resources": [{
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
                "name": SECRET,
                "generic_secret": { "secret": { "filename": self.path } },
            }],
        })
    }

    /// As `http_filters` of a cluster's `HttpProtocolOptions`. Without a token no stream is opened.
    pub(super) fn filters(&self) -> Value {
        json!([
            {
                "name": "envoy.filters.http.credential_injector",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.credential_injector.v3.CredentialInjector",
                    "overwrite": true,
                    "credential": {
                        "name": "envoy.http.injected_credentials.generic",
                        "typed_config": {
                            "@type": "type.googleapis.com/envoy.extensions.http.injected_credentials.generic.v3.Generic",
                            "header": "authorization",
                            "header_value_prefix": "Bearer ",
                            "credential": {
                                "name": SECRET,
                                "sds_config": {
                                    "path_config_source": { "path": self.sds_path },
                                    "resource_api_version": "V3",
                                },
                            },
                        },
                    },
                },
            },
            {
                // Filters of a cluster end with the one that sends.
                "name": "envoy.filters.http.upstream_codec",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec",
                },
            },
        ])
    }
}
