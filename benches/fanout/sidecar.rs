//! What a sidecar says: an ADS client of either variant that asks for what the answers name, and accepts everything.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use anyhow::Context;
use bytes::Bytes;
use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::listener::v3::Listener;
use envoy_types::pb::envoy::config::listener::v3::filter::ConfigType;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::http_connection_manager::RouteSpecifier;
use mirrorplane::proto::envoy::service::discovery::v3::DeltaDiscoveryRequest;
use mirrorplane::proto::envoy::service::discovery::v3::DeltaDiscoveryResponse;
use mirrorplane::proto::envoy::service::discovery::v3::DiscoveryRequest;
use mirrorplane::proto::envoy::service::discovery::v3::DiscoveryResponse;
use mirrorplane::snapshot::ResourceType;
use mirrorplane::translate::names::RUNTIME;
use prost::Message;

/// A variant of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Variant {
    /// State of the world.
    Sotw,
    /// Incremental.
    Delta,
}

impl Variant {
    /// In words.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sotw => "sotw",
            Self::Delta => "delta",
        }
    }

    /// The path of the call.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Sotw => {
                "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"
            }
            Self::Delta => {
                "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"
            }
        }
    }
}

/// A response, whichever variant it came in.
#[derive(Debug)]
pub(crate) struct Answer {
    /// What it is about.
    pub(crate) ty: ResourceType,
    /// The resources in it.
    pub(crate) bodies: Vec<Bytes>,
    version: String,
    nonce: String,
}

/// The order in which a sidecar asks: what one answer names is asked for next, and listeners come after endpoints.
const ORDER: [ResourceType; 5] = [
    ResourceType::Runtime,
    ResourceType::Cluster,
    ResourceType::Endpoint,
    ResourceType::Listener,
    ResourceType::Route,
];

/// The state of one.
#[derive(Debug)]
pub(crate) struct Sidecar {
    variant: Variant,
    /// Names asked for by type; none is everything.
    asked: BTreeMap<ResourceType, BTreeSet<String>>,
    /// Resources of each type that came.
    came: BTreeMap<ResourceType, usize>,
}

impl Sidecar {
    /// One that has asked for nothing yet.
    pub(crate) fn new(variant: Variant) -> Self {
        Self {
            variant,
            asked: BTreeMap::new(),
            came: BTreeMap::new(),
        }
    }

    /// The first request; `node` is an encoded `Node`.
    pub(crate) fn hello(&mut self, node: &[u8]) -> Vec<u8> {
        let names = BTreeSet::from([RUNTIME.to_owned()]);
        let mut request = self.ask(ResourceType::Runtime, names);
        // A message field more: `node` is field 2 of one variant and field 1 of the other.
        request.push(match self.variant {
            Variant::Sotw => 0x12,
            Variant::Delta => 0x0a,
        });
        prost::encoding::encode_varint(node.len() as u64, &mut request);
        request.extend_from_slice(node);
        request
    }

    fn ask(&mut self, ty: ResourceType, names: BTreeSet<String>) -> Vec<u8> {
        let list: Vec<_> = names.iter().cloned().collect();
        self.asked.insert(ty, names);
        let type_url = ty.type_url().to_owned();
        match self.variant {
            Variant::Sotw => DiscoveryRequest {
                type_url,
                resource_names: list,
                ..DiscoveryRequest::default()
            }
            .encode_to_vec(),
            Variant::Delta => DeltaDiscoveryRequest {
                type_url,
                resource_names_subscribe: list,
                ..DeltaDiscoveryRequest::default()
            }
            .encode_to_vec(),
        }
    }

    /// Reads a response.
    pub(crate) fn read(&self, message: Vec<u8>) -> anyhow::Result<Answer> {
        let message = Bytes::from(message);
        let (url, bodies, version, nonce) = match self.variant {
            Variant::Sotw => {
                let response = DiscoveryResponse::decode(message)?;
                let bodies = response.resources.into_iter().map(|any| any.value);
                (
                    response.type_url,
                    bodies.collect(),
                    response.version_info,
                    response.nonce,
                )
            }
            Variant::Delta => {
                let response = DeltaDiscoveryResponse::decode(message)?;
                let bodies = response.resources.into_iter();
                let bodies = bodies.filter_map(|resource| Some(resource.resource?.value));
                (
                    response.type_url,
                    bodies.collect(),
                    String::new(),
                    response.nonce,
                )
            }
        };
        Ok(Answer {
            ty: ResourceType::from_type_url(&url).context("a type that was asked for")?,
            bodies,
            version,
            nonce,
        })
    }

    /// The acknowledgement of a response.
    pub(crate) fn accept(&self, answer: &Answer) -> Vec<u8> {
        let type_url = answer.ty.type_url().to_owned();
        match self.variant {
            Variant::Sotw => DiscoveryRequest {
                type_url,
                version_info: answer.version.clone(),
                response_nonce: answer.nonce.clone(),
                resource_names: self.asked[&answer.ty].iter().cloned().collect(),
                ..DiscoveryRequest::default()
            }
            .encode_to_vec(),
            Variant::Delta => DeltaDiscoveryRequest {
                type_url,
                response_nonce: answer.nonce.clone(),
                ..DeltaDiscoveryRequest::default()
            }
            .encode_to_vec(),
        }
    }

    /// Whether the sidecar has all that it asked for, and there is nothing more to ask for.
    pub(crate) fn is_configured(&self) -> bool {
        ORDER.iter().all(|ty| self.has(*ty))
    }

    fn has(&self, ty: ResourceType) -> bool {
        let came = self.came.get(&ty).copied().unwrap_or_default();
        self.asked
            .get(&ty)
            .is_some_and(|names| came >= names.len().max(1))
    }

    /// Notes a response; the next request of the start, if it brings one on.
    pub(crate) fn proceed(&mut self, answer: &Answer) -> anyhow::Result<Option<Vec<u8>>> {
        if self.has(answer.ty) {
            return Ok(None);
        }
        *self.came.entry(answer.ty).or_default() += answer.bodies.len();
        if !self.has(answer.ty) {
            return Ok(None);
        }
        if answer.ty == ResourceType::Cluster {
            let names = endpoints(&answer.bodies)?;
            return Ok(Some(self.ask(ResourceType::Endpoint, names)));
        }
        if answer.ty == ResourceType::Listener {
            let names = routes(&answer.bodies)?;
            return Ok(Some(self.ask(ResourceType::Route, names)));
        }
        let next = ORDER.iter().find(|ty| !self.asked.contains_key(ty));
        Ok(next.map(|ty| self.ask(*ty, BTreeSet::new())))
    }
}

fn endpoints(clusters: &[Bytes]) -> anyhow::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for body in clusters {
        let cluster = Cluster::decode(body.clone())?;
        if let Some(eds) = cluster.eds_cluster_config {
            names.insert(match eds.service_name.as_str() {
                "" => cluster.name,
                _ => eds.service_name,
            });
        }
    }
    Ok(names)
}

fn routes(listeners: &[Bytes]) -> anyhow::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for body in listeners {
        let chains = Listener::decode(body.clone())?.filter_chains.into_iter();
        for filter in chains.flat_map(|chain| chain.filters) {
            if let Some(ConfigType::TypedConfig(any)) = filter.config_type
                && let Some(RouteSpecifier::Rds(rds)) =
                    HttpConnectionManager::decode(&any.value[..])?.route_specifier
            {
                names.insert(rds.route_config_name);
            }
        }
    }
    Ok(names)
}
