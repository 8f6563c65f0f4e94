//! An Envoy, and its own account of its configuration.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::net::SocketAddr;

use mirrorplane::snapshot::ResourceType;
use mirrorplane::snapshot::ResourceType::Cluster;
use mirrorplane::snapshot::ResourceType::Endpoint;
use mirrorplane::snapshot::ResourceType::Listener;
use mirrorplane::snapshot::ResourceType::Route;
use mirrorplane::snapshot::ResourceType::Runtime;
use prost_reflect::DynamicMessage;
use serde_json::Value;

use super::mesh::Mesh;
use super::mesh::Resources;
use super::resources;
use super::resources::message;
use crate::rig::eventually;
use crate::rig::sidecar::Sidecar;

/// Where `/config_dump` has the clusters that are not used yet.
const WARMING: &str = "dynamic_warming_clusters";
/// Where it has what: a list, and a resource in each of its entries.
const DUMPED: [(ResourceType, &str, &str); 5] = [
    (Cluster, "dynamic_active_clusters", "/cluster"),
    (Cluster, WARMING, "/cluster"),
    (Endpoint, "dynamic_endpoint_configs", "/endpoint_config"),
    (Listener, "dynamic_listeners", "/active_state/listener"),
    (Route, "dynamic_route_configs", "/route_config"),
];

/// A running Envoy.
#[derive(Debug)]
pub(crate) struct Node {
    /// Who it says it is.
    pub(crate) id: &'static str,
    pub(crate) sidecar: Sidecar,
}

impl Node {
    /// Waits until Envoy's own account of its configuration is what is published.
    pub(crate) async fn has(&self, mesh: &Mesh) {
        let published = comparable(mesh.resources(self.sidecar.proxy));
        eventually(
            format_args!("{} has what is published", self.sidecar.plane),
            || async { (comparable(self.in_use().await) == published).then_some(()) },
        )
        .await;
    }

    /// What Envoy uses. A cluster that is still being warmed is there under a name of its own.
    async fn in_use(&self) -> Resources {
        let dump = self.sidecar.admin("config_dump?include_eds").await;
        let dump: Value = serde_json::from_str(&dump).unwrap();
        let configs = dump["configs"].as_array().unwrap();
        let mut all = Resources::new();
        for (ty, list, path) in DUMPED {
            let entries = configs.iter().filter_map(|config| config[list].as_array());
            let entries = entries.flatten();
            for mut json in entries.filter_map(|entry| entry.pointer(path).cloned()) {
                let field = match ty {
                    Endpoint => "cluster_name",
                    _ => "name",
                };
                let mut name = json[field].as_str().unwrap().to_owned();
                if ty == Endpoint {
                    json = resources::endpoints(&name, addresses(&json));
                }
                if list == WARMING {
                    name.push_str(" is warming");
                }
                all.insert((ty, name), json);
            }
        }
        all
    }

    /// It has rejected nothing, and taken most changes one by one.
    pub(crate) async fn has_taken(&self, changes: &BTreeMap<ResourceType, u64>) {
        let plane = self.sidecar.plane;
        for unwanted in [".update_rejected", ".no_cluster"] {
            let count = self.sidecar.stats_ending(unwanted).await;
            assert_eq!(count, 0, "{plane}: {unwanted}");
        }
        for (ty, counter) in [
            (Cluster, "cluster_manager.cds.update_success"),
            (Route, "http.churn.rds.churn.update_success"),
        ] {
            let updates = self.sidecar.stat(counter).await;
            eprintln!("{plane}: {counter} {updates}");
            // Changes that follow one another at once may arrive as one.
            let least = changes[&ty] / 4;
            assert!(updates > least, "{plane}: {counter} {updates}");
        }
    }
}

/// What can be compared: Envoy shows no runtime layers, and its text for a value may be another than ours.
fn comparable(resources: Resources) -> BTreeMap<(ResourceType, String), DynamicMessage> {
    let resources = resources.into_iter();
    let shown = resources.filter(|((ty, _), _)| *ty != Runtime);
    shown
        .map(|((ty, name), json)| ((ty, name), message(ty, json)))
        .collect()
}

/// The addresses of endpoints.
fn addresses(endpoints: &Value) -> BTreeSet<SocketAddr> {
    let places = endpoints["endpoints"].as_array().into_iter().flatten();
    let endpoints = places.flat_map(|place| place["lb_endpoints"].as_array().into_iter().flatten());
    let sockets = endpoints.map(|each| &each["endpoint"]["address"]["socket_address"]);
    let address = |socket: &Value| {
        let ip = socket["address"].as_str()?.parse().ok()?;
        let port = socket["port_value"].as_u64()?;
        Some(SocketAddr::new(ip, u16::try_from(port).ok()?))
    };
    sockets.filter_map(address).collect()
}
