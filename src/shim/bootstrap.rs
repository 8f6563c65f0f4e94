//! What a sidecar starts with: the part of Envoy's bootstrap schema that the shim understands.
//!
//! The text is YAML or JSON in Envoy's own schema. A field that the shim would not honour is an error that names it, so
//! that a bootstrap that works here means the same to Envoy.

use std::time::Duration;

use serde::Deserialize;

use super::duration;

#[path = "bootstrap_cluster.rs"]
mod cluster;
#[path = "bootstrap_tls.rs"]
mod tls;
#[path = "bootstrap_token.rs"]
mod token;

pub use tls::{Metadata, Tls};
pub use token::{Injected, NoSecret};

/// The bootstrap cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// Neither YAML nor JSON.
    #[error("bootstrap: not valid YAML or JSON")]
    Syntax(#[source] Box<serde_saphyr::Error>),
    /// A field is missing, unknown or of the wrong type.
    #[error("bootstrap: {path}: {message}")]
    Field {
        /// Where it stands, as in `dynamic_resources.ads_config`.
        path: String,
        /// What is wrong with it.
        message: String,
    },
}

/// Which variant of the protocol is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// State of the world: `api_type: GRPC`.
    Sotw,
    /// Incremental: `api_type: DELTA_GRPC`.
    Delta,
}

/// Keep-alive pings on the connection to the control plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepAlive {
    /// Time between two pings.
    pub interval: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
}

/// A bootstrap the shim can start with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bootstrap {
    /// `node.id`.
    pub node_id: String,
    /// `node.cluster`.
    pub node_cluster: String,
    /// Variant of the protocol.
    pub variant: Variant,
    /// `host:port` of each endpoint of the control plane; at least one.
    pub control_plane: Vec<String>,
    /// TLS to the control plane, if it is not plain text.
    pub tls: Option<Tls>,
    /// Headers of every stream.
    pub initial_metadata: Vec<Metadata>,
    /// A further header, read anew for each stream.
    pub injected: Option<Injected>,
    /// Time to connect to the control plane.
    pub connect_timeout: Duration,
    /// Pings, if asked for.
    pub keep_alive: Option<KeepAlive>,
    /// Runtime resources, in the order of their layers: a later one wins.
    pub runtime_layers: Vec<String>,
    /// Headers of streams on which loads are reported; `None` reports none.
    pub load_reports: Option<Vec<Metadata>>,
}

impl Bootstrap {
    /// Reads the text of a bootstrap file.
    ///
    /// # Errors
    /// If it is no YAML or JSON, or says something the shim does not support; the message names the field.
    pub fn parse(text: &str) -> Result<Self, BootstrapError> {
        let value: serde_json::Value = serde_saphyr::from_str(text)
            .map_err(|error| BootstrapError::Syntax(Box::new(error)))?;
        let file: File =
            serde_path_to_error::deserialize(value).map_err(|error| BootstrapError::Field {
                path: error.path().to_string(),
                message: error.inner().to_string(),
            })?;
        file.into_bootstrap()
    }
}

fn field(path: impl Into<String>, message: impl Into<String>) -> BootstrapError {
    BootstrapError::Field {
        path: path.into(),
        message: message.into(),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    node: Node,
    /// The shim has no admin interface: read and ignored, as the same file serves Envoy.
    #[serde(default, rename = "admin")]
    _admin: Option<serde::de::IgnoredAny>,
    dynamic_resources: DynamicResources,
    #[serde(default)]
    cluster_manager: ClusterManager,
    #[serde(default)]
    layered_runtime: LayeredRuntime,
    static_resources: StaticResources,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Node {
    id: String,
    #[serde(default)]
    cluster: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DynamicResources {
    ads_config: AdsConfig,
    #[serde(rename = "cds_config")]
    _cds_config: ConfigSource,
    #[serde(rename = "lds_config")]
    _lds_config: ConfigSource,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AdsConfig {
    api_type: ApiType,
    #[serde(rename = "transport_api_version")]
    _transport_api_version: ApiVersion,
    /// The shim always does so; a server must cope with both.
    #[serde(default, rename = "set_node_on_first_message_only")]
    _set_node_on_first_message_only: bool,
    grpc_services: Vec<GrpcService>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct ClusterManager {
    load_stats_config: Option<LoadStatsConfig>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LoadStatsConfig {
    #[serde(rename = "api_type")]
    _api_type: GrpcOnly,
    #[serde(rename = "transport_api_version")]
    _transport_api_version: ApiVersion,
    grpc_services: Vec<GrpcService>,
}

#[derive(Deserialize)]
enum GrpcOnly {
    #[serde(rename = "GRPC")]
    Grpc,
}

#[derive(Deserialize)]
enum ApiType {
    #[serde(rename = "GRPC")]
    Grpc,
    #[serde(rename = "DELTA_GRPC")]
    DeltaGrpc,
}

#[derive(Deserialize)]
enum ApiVersion {
    V3,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigSource {
    #[serde(rename = "ads")]
    _ads: Nothing,
    #[serde(rename = "resource_api_version")]
    _resource_api_version: ApiVersion,
    /// The shim waits for nothing, so there is nothing to cut short.
    #[serde(default, rename = "initial_fetch_timeout", with = "duration::text")]
    _initial_fetch_timeout: Option<Duration>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GrpcService {
    envoy_grpc: EnvoyGrpc,
    #[serde(default)]
    initial_metadata: Vec<tls::HeaderValue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EnvoyGrpc {
    cluster_name: String,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct LayeredRuntime {
    layers: Vec<Layer>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Layer {
    #[serde(rename = "name")]
    _name: String,
    rtds_layer: Option<RtdsLayer>,
    admin_layer: Option<Nothing>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RtdsLayer {
    name: String,
    #[serde(rename = "rtds_config")]
    _rtds_config: ConfigSource,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StaticResources {
    clusters: Vec<cluster::Cluster>,
    #[serde(default, rename = "listeners", deserialize_with = "no_listeners")]
    _listeners: (),
}

fn no_listeners<'de, D: serde::Deserializer<'de>>(from: D) -> Result<(), D::Error> {
    match Vec::<serde::de::IgnoredAny>::deserialize(from)?.is_empty() {
        true => Ok(()),
        false => Err(serde::de::Error::custom(
            "the shim does not capture transparently: run Envoy with this bootstrap, or make it without --transparent",
        )),
    }
}

impl File {
    fn into_bootstrap(self) -> Result<Bootstrap, BootstrapError> {
        let ads = self.dynamic_resources.ads_config;
        let Ok([service]) = <[GrpcService; 1]>::try_from(ads.grpc_services) else {
            return Err(field(
                "dynamic_resources.ads_config.grpc_services",
                "exactly one service is supported",
            ));
        };
        let wanted = &service.envoy_grpc.cluster_name;
        let mut cluster = self
            .static_resources
            .clusters
            .into_iter()
            .find(|cluster| cluster.name == *wanted)
            .ok_or_else(|| {
                field(
                    "static_resources.clusters",
                    format!("no cluster `{wanted}`, which ads_config names"),
                )
            })?;
        let runtime_layers = self
            .layered_runtime
            .layers
            .into_iter()
            .enumerate()
            .filter_map(
                |(index, layer)| match (layer.rtds_layer, layer.admin_layer) {
                    (Some(rtds), None) => Some(Ok(rtds.name)),
                    (None, Some(_)) => None,
                    _ => Some(Err(field(
                        format!("layered_runtime.layers[{index}]"),
                        "either rtds_layer or admin_layer is needed",
                    ))),
                },
            )
            .collect::<Result<_, _>>()?;
        let control_plane = cluster.addresses();
        if control_plane.is_empty() {
            return Err(field(
                "static_resources.clusters",
                format!("cluster `{wanted}` has no endpoint"),
            ));
        }
        let filters = cluster.take_filters();
        let load_reports = match self.cluster_manager.load_stats_config {
            None => None,
            Some(config) => match <[GrpcService; 1]>::try_from(config.grpc_services) {
                Ok([reports]) if reports.envoy_grpc.cluster_name == *wanted => {
                    Some(tls::metadata(reports.initial_metadata)?)
                }
                _ => {
                    return Err(field(
                        "cluster_manager.load_stats_config.grpc_services",
                        "exactly one service is supported, that of ads_config",
                    ));
                }
            },
        };
        Ok(Bootstrap {
            node_id: self.node.id,
            node_cluster: self.node.cluster,
            variant: match ads.api_type {
                ApiType::Grpc => Variant::Sotw,
                ApiType::DeltaGrpc => Variant::Delta,
            },
            control_plane,
            keep_alive: cluster.keep_alive(),
            // Envoy's default.
            connect_timeout: cluster.connect_timeout.unwrap_or(Duration::from_secs(5)),
            tls: cluster
                .transport_socket
                .map(tls::TransportSocket::into_tls)
                .transpose()?,
            initial_metadata: tls::metadata(service.initial_metadata)?,
            injected: token::injected(filters)?,
            runtime_layers,
            load_reports,
        })
    }
}

#[cfg(test)]
#[path = "bootstrap_tests.rs"]
mod tests;
