//! What the control plane has said so far and the shim has accepted. No I/O.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use envoy_types::pb::envoy::config::cluster::v3 as cluster;
use envoy_types::pb::envoy::config::endpoint::v3 as endpoint;
use envoy_types::pb::envoy::config::listener::v3 as listener;
use envoy_types::pb::envoy::config::route::v3 as route;
use prost::Message;

use super::ads::{Kind, Outcome, Received, Removed, Update, Wanted};
use super::config::{self, Cluster, Discovery, Endpoints, Listener, Rejection, RouteTable};
use super::runtime::Runtime;
use super::support;
use crate::proto::envoy::service::runtime::v3 as rtds;

/// Accepted resources, by name. A resource that is rejected leaves the one before in place.
#[derive(Debug, Default)]
pub(super) struct State {
    layers: Vec<String>,
    runtime: BTreeMap<String, Runtime>,
    pub(super) clusters: BTreeMap<String, Arc<Cluster>>,
    pub(super) endpoints: BTreeMap<String, Endpoints>,
    pub(super) listeners: BTreeMap<String, Listener>,
    pub(super) routes: BTreeMap<String, Arc<RouteTable>>,
    /// What the control plane said does not exist: not worth waiting for.
    absent: BTreeSet<(Kind, String)>,
    /// Types of which something was received.
    heard: BTreeSet<Kind>,
}

/// An accepted resource.
enum Accepted {
    Runtime(Runtime),
    Cluster(Cluster),
    Endpoints(Endpoints),
    Listener(Listener),
    Routes(RouteTable),
}

impl State {
    /// Nothing yet; `layers` are the runtime resources, lowest first.
    pub(super) fn new(layers: Vec<String>) -> Self {
        Self {
            layers,
            ..Self::default()
        }
    }

    /// Takes over what is acceptable of an update.
    pub(super) fn apply(&mut self, update: Update) -> Outcome {
        let mut outcome = Outcome::default();
        let mut present = BTreeSet::new();
        for received in &update.resources {
            match accept(update.kind, received) {
                Ok((name, accepted)) => {
                    self.absent.remove(&(update.kind, name.clone()));
                    present.insert(name.clone());
                    self.insert(name, accepted);
                }
                Err((name, rejection)) => {
                    let what = name.as_deref().unwrap_or("without a name");
                    let message = format!("{} {what}: {rejection}", update.kind);
                    outcome.error.get_or_insert(message);
                    present.extend(name.clone());
                    outcome.rejected.extend(name);
                }
            }
        }
        self.heard.insert(update.kind);
        self.remove(update.kind, update.removed, &present);
        self.forget_unwanted();
        outcome
    }

    fn insert(&mut self, name: String, accepted: Accepted) {
        match accepted {
            Accepted::Runtime(layer) => drop(self.runtime.insert(name, layer)),
            Accepted::Cluster(new) => match self.clusters.get(&name) {
                Some(old) if **old == new => {}
                _ => drop(self.clusters.insert(name, Arc::new(new))),
            },
            Accepted::Endpoints(new) => drop(self.endpoints.insert(name, new)),
            Accepted::Listener(new) => drop(self.listeners.insert(name, new)),
            Accepted::Routes(new) => drop(self.routes.insert(name, Arc::new(new))),
        }
    }

    fn remove(&mut self, kind: Kind, removed: Removed, present: &BTreeSet<String>) {
        let gone = |name: &String| match &removed {
            Removed::Others => !present.contains(name),
            Removed::Names(names) => names.contains(name),
        };
        match kind {
            Kind::Runtime => self.runtime.retain(|name, _| !gone(name)),
            Kind::Cluster => self.clusters.retain(|name, _| !gone(name)),
            Kind::Listener => self.listeners.retain(|name, _| !gone(name)),
            // As in Envoy, endpoints and routes stay for as long as something refers to them.
            Kind::Endpoint | Kind::Route => {}
        }
        if let Removed::Names(names) = removed {
            self.absent
                .extend(names.into_iter().map(|name| (kind, name)));
        }
    }

    fn forget_unwanted(&mut self) {
        let wanted = self.wanted();
        let refers =
            |kind, name: &String| wanted.get(&kind).is_some_and(|names| names.contains(name));
        self.endpoints
            .retain(|name, _| refers(Kind::Endpoint, name));
        self.routes.retain(|name, _| refers(Kind::Route, name));
        self.absent.retain(|(kind, name)| refers(*kind, name));
    }

    /// The names to subscribe to: what accepted resources refer to.
    pub(super) fn wanted(&self) -> Wanted {
        let endpoints = self
            .clusters
            .values()
            .filter_map(|cluster| match &cluster.discovery {
                Discovery::Eds(name) => Some(name.clone()),
                Discovery::Host(..) | Discovery::Dynamic => None,
            });
        let routes = self
            .listeners
            .values()
            .map(|listener| listener.routes.clone());
        BTreeMap::from([
            (Kind::Runtime, self.layers.iter().cloned().collect()),
            (Kind::Endpoint, endpoints.collect()),
            (Kind::Route, routes.collect()),
        ])
    }

    /// All layers put together.
    pub(super) fn runtime(&self) -> Runtime {
        let mut all = Runtime::default();
        for layer in self.layers.iter().filter_map(|name| self.runtime.get(name)) {
            all.overlay(layer);
        }
        all
    }

    /// Whether everything that requests on this listener may need has arrived, as far as it exists.
    pub(super) fn is_warm(&self, listener: &Listener) -> bool {
        let known =
            |kind, name: &String, held: bool| held || self.absent.contains(&(kind, name.clone()));
        let Some(routes) = self.routes.get(&listener.routes) else {
            return false;
        };
        self.heard.contains(&Kind::Cluster)
            && self
                .layers
                .iter()
                .all(|name| known(Kind::Runtime, name, self.runtime.contains_key(name)))
            && routes
                .clusters()
                .filter_map(|name| self.clusters.get(name))
                .all(|cluster| match &cluster.discovery {
                    Discovery::Eds(name) => {
                        known(Kind::Endpoint, name, self.endpoints.contains_key(name))
                    }
                    Discovery::Host(..) | Discovery::Dynamic => true,
                })
    }
}

/// The name and the value of a resource, or why it is rejected; the name is missing where it cannot be read.
fn accept(
    kind: Kind,
    received: &Received,
) -> Result<(String, Accepted), (Option<String>, Rejection)> {
    let fail = |rejection| (received.name.clone(), rejection);
    if received.type_url != kind.type_url() {
        return Err(fail(Rejection::new(
            "",
            format!("has the type `{}`", received.type_url),
        )));
    }
    let supported = support::check(&received.type_url, &received.body);
    let (name, accepted) = match convert(kind, &received.body) {
        Ok(converted) => converted,
        Err(error) => {
            let malformed = Rejection::new("", format!("cannot be decoded: {error}"));
            return Err(fail(supported.err().unwrap_or(malformed)));
        }
    };
    match supported.and(accepted) {
        Err(rejection) => Err((Some(name), rejection)),
        Ok(_) if received.name.as_ref().is_some_and(|outer| *outer != name) => {
            Err(fail(Rejection::new(
                "name",
                format!("is `{name}`, unlike that of the resource around it"),
            )))
        }
        Ok(accepted) => Ok((name, accepted)),
    }
}

type Converted = (String, Result<Accepted, Rejection>);

fn convert(kind: Kind, body: &[u8]) -> Result<Converted, prost::DecodeError> {
    Ok(match kind {
        Kind::Runtime => {
            let message = rtds::Runtime::decode(body)?;
            let layer = message
                .layer
                .as_ref()
                .map(Runtime::from_layer)
                .unwrap_or_default();
            (message.name, Ok(Accepted::Runtime(layer)))
        }
        Kind::Cluster => {
            let message = cluster::Cluster::decode(body)?;
            let converted = Cluster::from_proto(&message).map(Accepted::Cluster);
            (message.name, converted)
        }
        Kind::Endpoint => {
            let message = endpoint::ClusterLoadAssignment::decode(body)?;
            let converted = config::endpoints(&message).map(Accepted::Endpoints);
            (message.cluster_name, converted)
        }
        Kind::Listener => {
            let message = listener::Listener::decode(body)?;
            let converted = Listener::from_proto(&message).map(Accepted::Listener);
            (message.name, converted)
        }
        Kind::Route => {
            let message = route::RouteConfiguration::decode(body)?;
            let converted = RouteTable::from_proto(&message).map(Accepted::Routes);
            (message.name, converted)
        }
    })
}

#[cfg(test)]
mod tests {
    use envoy_types::pb::envoy::config::cluster::v3::cluster::{
        ClusterDiscoveryType, DiscoveryType, EdsClusterConfig,
    };
    use envoy_types::pb::envoy::config::core::v3::ConfigSource;
    use envoy_types::pb::envoy::config::core::v3::config_source::ConfigSourceSpecifier;

    use super::*;

    fn cluster(name: &str) -> cluster::Cluster {
        cluster::Cluster {
            name: name.into(),
            cluster_discovery_type: Some(ClusterDiscoveryType::Type(DiscoveryType::Eds as i32)),
            eds_cluster_config: Some(EdsClusterConfig {
                eds_config: Some(ConfigSource {
                    config_source_specifier: Some(ConfigSourceSpecifier::Ads(Default::default())),
                    ..Default::default()
                }),
                service_name: String::new(),
            }),
            ..Default::default()
        }
    }

    fn received(kind: Kind, name: Option<&str>, body: &impl Message) -> Received {
        Received {
            name: name.map(str::to_owned),
            type_url: kind.type_url().to_owned(),
            body: body.encode_to_vec().into(),
        }
    }

    fn clusters(clusters: &[cluster::Cluster]) -> Update {
        Update {
            kind: Kind::Cluster,
            resources: clusters
                .iter()
                .map(|message| received(Kind::Cluster, None, message))
                .collect(),
            removed: Removed::Others,
        }
    }

    fn names(state: &State) -> Vec<&str> {
        state.clusters.keys().map(String::as_str).collect()
    }

    #[test]
    fn a_rejected_cluster_stays_as_it_was_and_the_others_change() {
        let mut state = State::default();
        assert_eq!(
            state.apply(clusters(&[cluster("a"), cluster("b")])).error,
            None
        );
        let before = Arc::clone(&state.clusters["a"]);
        let mut bad = cluster("a");
        bad.lb_policy = cluster::cluster::LbPolicy::Maglev as i32;
        let outcome = state.apply(clusters(&[bad, cluster("c")]));
        assert_eq!(
            outcome.error.unwrap(),
            "Cluster a: lb_policy MAGLEV is not supported by the shim"
        );
        assert_eq!(outcome.rejected, BTreeSet::from(["a".to_owned()]));
        assert_eq!(names(&state), ["a", "c"]);
        assert!(Arc::ptr_eq(&before, &state.clusters["a"]));
    }

    #[test]
    fn endpoints_are_wanted_and_kept_while_a_cluster_refers_to_them() {
        let mut state = State::default();
        state.apply(clusters(&[cluster("a")]));
        assert!(state.wanted()[&Kind::Endpoint].contains("a"));
        let assignment = endpoint::ClusterLoadAssignment {
            cluster_name: "a".into(),
            ..Default::default()
        };
        let update = |removed| Update {
            kind: Kind::Endpoint,
            resources: vec![received(Kind::Endpoint, Some("a"), &assignment)],
            removed: Removed::Names(removed),
        };
        state.apply(update(Vec::new()));
        let mut gone = update(vec!["a".into()]);
        gone.resources.clear();
        state.apply(gone);
        assert!(state.endpoints.contains_key("a"));
        state.apply(clusters(&[]));
        assert!(state.endpoints.is_empty());
        assert!(state.wanted()[&Kind::Endpoint].is_empty());
    }

    #[test]
    fn a_resource_of_another_type_or_name_is_rejected() {
        let mut state = State::default();
        let mut update = clusters(&[cluster("a")]);
        update.resources[0].type_url = Kind::Route.type_url().to_owned();
        assert!(state.apply(update).error.unwrap().contains("has the type"));
        let mut update = clusters(&[cluster("a")]);
        update.resources[0].name = Some("b".into());
        assert!(state.apply(update).rejected.contains("b"));
        assert!(state.clusters.is_empty());
    }
}
