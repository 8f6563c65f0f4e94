//! Whether every name that a group's resources mention exists: the proxy does not say so if one does not.

use std::collections::HashSet;

use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::listener::v3::Listener;
use envoy_types::pb::envoy::config::listener::v3::filter::ConfigType;
use envoy_types::pb::envoy::config::route::v3::VirtualHost;
use envoy_types::pb::envoy::config::route::v3::route::Action;
use envoy_types::pb::envoy::config::route::v3::route_action::ClusterSpecifier;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::http_connection_manager::RouteSpecifier;
use prost::Message;
use prost::Name;

use crate::translate::Resources;

/// A name that leads nowhere, or to two things.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Dangling {
    /// Requests would be answered with an error.
    #[error("requests for `{host}` go to the cluster `{cluster}`, which does not exist")]
    Cluster {
        /// The virtual host.
        host: String,
        /// The missing cluster.
        cluster: String,
    },
    /// Copies would be lost without a trace.
    #[error("copies of requests for `{host}` go to the cluster `{cluster}`, which does not exist")]
    MirrorCluster {
        /// The virtual host.
        host: String,
        /// The missing cluster.
        cluster: String,
    },
    /// The proxy would wait for them before it uses the cluster.
    #[error("the cluster `{cluster}` takes its endpoints from `{endpoints}`, which do not exist")]
    Endpoints {
        /// The cluster.
        cluster: String,
        /// The missing endpoints.
        endpoints: String,
    },
    /// The proxy would wait for them before it opens the listener.
    #[error("the listener `{listener}` takes its routes from `{routes}`, which do not exist")]
    Routes {
        /// The listener.
        listener: String,
        /// The missing routes.
        routes: String,
    },
    /// Only one of them would be sent.
    #[error("there are two {kind} of the name `{name}`")]
    Duplicate {
        /// What they are, in the plural.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// The proxy would refuse the routes as a whole.
    #[error("the routes `{routes}` claim the host `{host}` twice")]
    Host {
        /// The route configuration.
        routes: String,
        /// The host.
        host: String,
    },
}

/// Checks the resources of a group against each other.
///
/// # Errors
///
/// All that is wrong, in the order of the resources.
pub fn check(resources: &Resources<'_>) -> Result<(), Vec<Dangling>> {
    let mut check = Check::new(resources);
    for routes in &resources.routes {
        for host in routes.virtual_hosts() {
            check.virtual_host(&routes.name, &host);
        }
    }
    check.verdict()
}

/// A check under way: the virtual hosts come one by one.
pub(super) struct Check<'a> {
    clusters: HashSet<&'a str>,
    /// Those of the route configuration that is looked at.
    hosts: (&'a str, HashSet<String>),
    faults: Vec<Dangling>,
}

impl<'a> Check<'a> {
    /// Checks all but the virtual hosts.
    pub(super) fn new(resources: &'a Resources<'_>) -> Self {
        let mut faults = Vec::new();
        let clusters = names(&resources.clusters, "clusters", |c| &c.name, &mut faults);
        let endpoints = names(
            &resources.endpoints,
            "lists of endpoints",
            |e| &e.cluster_name,
            &mut faults,
        );
        names(&resources.listeners, "listeners", |l| &l.name, &mut faults);
        let routes = names(
            &resources.routes,
            "route configurations",
            |r| &r.name,
            &mut faults,
        );
        names(
            &resources.runtimes,
            "runtime layers",
            |r| &r.name,
            &mut faults,
        );

        for cluster in &resources.clusters {
            if let Some(wanted) = endpoints_of(cluster).filter(|name| !endpoints.contains(name)) {
                faults.push(Dangling::Endpoints {
                    cluster: cluster.name.clone(),
                    endpoints: wanted.to_owned(),
                });
            }
        }
        for listener in &resources.listeners {
            for wanted in routes_of(listener) {
                if !routes.contains(wanted.as_str()) {
                    faults.push(Dangling::Routes {
                        listener: listener.name.clone(),
                        routes: wanted,
                    });
                }
            }
        }
        Self {
            clusters,
            hosts: Default::default(),
            faults,
        }
    }

    /// Checks a virtual host; those of a route configuration come one after the other.
    pub(super) fn virtual_host(&mut self, routes: &'a str, host: &VirtualHost) {
        let Self {
            clusters,
            hosts,
            faults,
        } = self;
        if hosts.0 != routes {
            *hosts = (routes, HashSet::new());
        }
        for domain in &host.domains {
            if !hosts.1.insert(domain.clone()) {
                faults.push(Dangling::Host {
                    routes: routes.to_owned(),
                    host: domain.clone(),
                });
            }
        }
        // The routes of one virtual host name the same few clusters over and over: each fault is told once.
        let mut told = HashSet::new();
        let mut wants = |cluster: &String, fault: fn(String, String) -> Dangling| {
            if !clusters.contains(cluster.as_str()) && told.insert(cluster.clone()) {
                faults.push(fault(host.name.clone(), cluster.clone()));
            }
        };
        for route in &host.routes {
            let Some(Action::Route(action)) = &route.action else {
                continue;
            };
            if let Some(ClusterSpecifier::Cluster(cluster)) = &action.cluster_specifier {
                wants(cluster, |host, cluster| Dangling::Cluster { host, cluster });
            }
            for policy in &action.request_mirror_policies {
                wants(&policy.cluster, |host, cluster| Dangling::MirrorCluster {
                    host,
                    cluster,
                });
            }
        }
    }

    /// All that is wrong.
    pub(super) fn verdict(self) -> Result<(), Vec<Dangling>> {
        if self.faults.is_empty() {
            Ok(())
        } else {
            Err(self.faults)
        }
    }
}

fn names<'a, M>(
    messages: &'a [M],
    kind: &'static str,
    name: fn(&M) -> &String,
    faults: &mut Vec<Dangling>,
) -> HashSet<&'a str> {
    let mut names = HashSet::new();
    for message in messages {
        let name = name(message).as_str();
        if !names.insert(name) {
            faults.push(Dangling::Duplicate {
                kind,
                name: name.to_owned(),
            });
        }
    }
    names
}

fn endpoints_of(cluster: &Cluster) -> Option<&str> {
    let eds = cluster.eds_cluster_config.as_ref()?;
    // An empty service name means the cluster's own (Cluster.EdsClusterConfig.service_name).
    Some(match eds.service_name.as_str() {
        "" => &cluster.name,
        name => name,
    })
}

fn routes_of(listener: &Listener) -> Vec<String> {
    let filters = listener
        .filter_chains
        .iter()
        .flat_map(|chain| &chain.filters);
    let managers = filters.filter_map(|filter| match &filter.config_type {
        Some(ConfigType::TypedConfig(any)) if any.type_url == HttpConnectionManager::type_url() => {
            HttpConnectionManager::decode(any.value.as_slice()).ok()
        }
        _ => None,
    });
    managers
        .filter_map(|manager| match manager.route_specifier {
            Some(RouteSpecifier::Rds(rds)) => Some(rds.route_config_name),
            _ => None,
        })
        .collect()
}
