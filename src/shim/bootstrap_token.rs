//! The part of the bootstrap that says where a token is that changes: the filters of the control plane's cluster.

use std::path::Path;
use std::path::PathBuf;

use http::HeaderName;
use serde::Deserialize;
use tonic::metadata::Ascii;
use tonic::metadata::MetadataKey;
use tonic::metadata::MetadataValue;

use super::BootstrapError;
use super::Metadata;
use super::field;

/// A header of every stream that is read from files when the stream is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Injected {
    header: MetadataKey<Ascii>,
    prefix: String,
    secret: String,
    /// The SDS file, which names the file of the secret.
    sds: PathBuf,
}

/// There is no secret to show.
#[derive(Debug, thiserror::Error)]
pub enum NoSecret {
    /// A file cannot be read.
    #[error("{}: {reason}", path.display())]
    Unreadable {
        /// The SDS file, or the file of the secret.
        path: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
    /// The SDS file says nothing that is supported.
    #[error("{}: {reason}", path.display())]
    Sds {
        /// The SDS file.
        path: PathBuf,
        /// Where the mistake is.
        reason: Box<serde_saphyr::Error>,
    },
    /// The SDS file has another secret, or several.
    #[error("{}: not one secret of the name `{name}`", path.display())]
    Other {
        /// The SDS file.
        path: PathBuf,
        /// The name that the bootstrap asks for.
        name: String,
    },
    /// What the file of the secret holds cannot be a header.
    #[error("{}: empty, or not of one line", path.display())]
    NotAHeader {
        /// The file of the secret.
        path: PathBuf,
    },
}

impl Injected {
    /// What the files hold now.
    ///
    /// # Errors
    /// If there is nothing that can be shown.
    pub async fn read(&self) -> Result<Metadata, NoSecret> {
        let text = content(&self.sds).await?;
        let sds: Sds = serde_saphyr::from_str(&text).map_err(|reason| NoSecret::Sds {
            path: self.sds.clone(),
            reason: Box::new(reason),
        })?;
        let path = match <[Secret; 1]>::try_from(sds.resources) {
            Ok([secret]) if secret.name == self.secret => secret.generic_secret.secret.filename,
            _ => {
                return Err(NoSecret::Other {
                    path: self.sds.clone(),
                    name: self.secret.clone(),
                });
            }
        };
        let secret = content(&path).await?;
        let secret = secret.trim();
        match format!("{}{secret}", self.prefix).parse::<MetadataValue<Ascii>>() {
            Ok(mut value) if !secret.is_empty() => {
                value.set_sensitive(true);
                Ok((self.header.clone(), value))
            }
            _ => Err(NoSecret::NotAHeader { path }),
        }
    }
}

async fn content(path: &Path) -> Result<String, NoSecret> {
    let read = tokio::fs::read_to_string(path).await;
    read.map_err(|reason| NoSecret::Unreadable {
        path: path.to_owned(),
        reason,
    })
}

/// The filters, of which these two are known, in this order.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HttpFilter {
    #[serde(rename = "name")]
    _name: String,
    typed_config: Filter,
}

#[derive(Deserialize)]
#[serde(tag = "@type", deny_unknown_fields)]
enum Filter {
    #[serde(
        rename = "type.googleapis.com/envoy.extensions.filters.http.credential_injector.v3.CredentialInjector"
    )]
    Injector {
        overwrite: bool,
        credential: Extension,
    },
    #[serde(
        rename = "type.googleapis.com/envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec"
    )]
    Codec {},
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Extension {
    #[serde(rename = "name")]
    _name: String,
    typed_config: Generic,
}

#[derive(Deserialize)]
#[serde(tag = "@type", deny_unknown_fields)]
enum Generic {
    #[serde(
        rename = "type.googleapis.com/envoy.extensions.http.injected_credentials.generic.v3.Generic"
    )]
    V3 {
        header: String,
        #[serde(default)]
        header_value_prefix: String,
        credential: SecretSource,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretSource {
    name: String,
    sds_config: FileSource,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileSource {
    path_config_source: PathSource,
    #[serde(rename = "resource_api_version")]
    _resource_api_version: super::ApiVersion,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PathSource {
    path: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sds {
    resources: Vec<Secret>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Secret {
    #[serde(rename = "@type")]
    _type: SecretType,
    name: String,
    generic_secret: GenericSecret,
}

#[derive(Deserialize)]
enum SecretType {
    #[serde(rename = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret")]
    V3,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GenericSecret {
    secret: SecretFile,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretFile {
    filename: PathBuf,
}

/// What the filters of the control plane's cluster add to each stream.
pub(super) fn injected(filters: Vec<HttpFilter>) -> Result<Option<Injected>, BootstrapError> {
    let fault = |message: &str| {
        Err(field(
            "static_resources.clusters.typed_extension_protocol_options.http_filters",
            message,
        ))
    };
    let configs: Vec<Filter> = filters.into_iter().map(|one| one.typed_config).collect();
    let mut configs = configs.into_iter();
    let Generic::V3 {
        header,
        header_value_prefix: prefix,
        credential,
    } = match (configs.next(), configs.next(), configs.next()) {
        (None, ..) | (Some(Filter::Codec {}), None, _) => return Ok(None),
        (
            Some(Filter::Injector {
                overwrite: true,
                credential,
            }),
            Some(Filter::Codec {}),
            None,
        ) => credential.typed_config,
        _ => {
            return fault(
                "a CredentialInjector that overwrites, then an UpstreamCodec, is supported",
            );
        }
    };
    let name = HeaderName::try_from(&header).ok();
    match name.and_then(|name| MetadataKey::from_bytes(name.as_str().as_bytes()).ok()) {
        Some(header) => Ok(Some(Injected {
            header,
            prefix,
            secret: credential.name,
            sds: credential.sds_config.path_config_source.path,
        })),
        None => fault("`header` is no name of a header"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use serde_json::Value;
    use serde_json::json;

    use super::HttpFilter;
    use super::Injected;
    use super::injected;

    const CODEC: &str =
        "type.googleapis.com/envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec";
    const INJECTOR: &str = "type.googleapis.com/envoy.extensions.filters.http.credential_injector.v3.CredentialInjector";
    const GENERIC: &str =
        "type.googleapis.com/envoy.extensions.http.injected_credentials.generic.v3.Generic";
    const SECRET: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";

    fn filters(sds: &Path) -> Value {
        json!([
            { "name": "a", "typed_config": { "@type": INJECTOR, "overwrite": true, "credential": {
                "name": "b", "typed_config": {
                    "@type": GENERIC, "header": "authorization", "header_value_prefix": "Bearer ",
                    "credential": { "name": "token", "sds_config": {
                        "path_config_source": { "path": sds }, "resource_api_version": "V3" } },
                } } } },
            { "name": "c", "typed_config": { "@type": CODEC } },
        ])
    }

    fn parse(filters: Value) -> Result<Option<Injected>, String> {
        let filters: Vec<HttpFilter> =
            serde_json::from_value(filters).map_err(|error| error.to_string())?;
        injected(filters).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn a_stream_shows_what_the_file_holds_then() {
        let folder = tempfile::tempdir().unwrap();
        let (sds, token) = (folder.path().join("sds.yaml"), folder.path().join("token"));
        let injected = parse(filters(&sds)).unwrap().unwrap();
        let says = async || match injected.read().await {
            Ok((key, value)) => format!("{key}: {}", value.to_str().unwrap()),
            Err(error) => format!("error: {error}"),
        };
        assert!(says().await.contains("sds.yaml: No such file"));
        fs::write(&sds, "resources: []").unwrap();
        assert!(says().await.contains("not one secret of the name `token`"));
        let secret = json!({ "@type": SECRET, "name": "token",
            "generic_secret": { "secret": { "filename": token } } });
        fs::write(&sds, json!({ "resources": [secret] }).to_string()).unwrap();
        assert!(says().await.contains("token: No such file"));
        for (content, expected) in [
            ("one", "authorization: Bearer one"),
            ("two\n", "authorization: Bearer two"),
        ] {
            fs::write(&token, content).unwrap();
            assert_eq!(says().await, expected);
        }
        for content in ["", "\n", "one\ntwo"] {
            fs::write(&token, content).unwrap();
            let said = says().await;
            assert!(said.contains("empty, or not of one line"), "{said}");
            assert!(!said.contains("two"), "{said}");
        }
        fs::write(&sds, "resources: [{}]").unwrap();
        assert!(says().await.contains("sds.yaml: "));
    }

    #[test]
    fn other_filters_are_refused() {
        let good = filters(Path::new("sds.yaml"));
        assert_eq!(parse(json!([])), Ok(None));
        assert_eq!(parse(json!([good[1]])), Ok(None));
        let reversed = json!([good[1], good[0]]);
        assert!(parse(reversed).unwrap_err().contains("http_filters"));
        assert!(parse(json!([good[0]])).is_err());
        let mut lenient = good.clone();
        lenient[0]["typed_config"]["allow_request_without_credential"] = json!(true);
        assert!(parse(lenient).unwrap_err().contains("allow_request"));
        let mut timid = good.clone();
        timid[0]["typed_config"]["overwrite"] = json!(false);
        assert!(parse(timid).is_err());
        let mut named = good;
        named[0]["typed_config"]["credential"]["typed_config"]["header"] = json!("a b");
        assert!(parse(named).unwrap_err().contains("header"));
    }
}
