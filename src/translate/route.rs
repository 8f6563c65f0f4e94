//! Which request goes where: by its Host.

use std::collections::{BTreeMap, HashSet};

use envoy_types::pb::envoy::config::route::v3::route::Action;
use envoy_types::pb::envoy::config::route::v3::route_action::{
    ClusterSpecifier, RequestMirrorPolicy,
};
use envoy_types::pb::envoy::config::route::v3::route_match::{ConnectMatcher, PathSpecifier};
use envoy_types::pb::envoy::config::route::v3::{
    Route, RouteAction, RouteConfiguration, RouteMatch, VirtualHost,
};

use super::cases;
use super::cases::Case;
use super::cluster;
use super::hosts;
use super::hosts::HostForm;
use super::names::{
    FORWARDED_HEADER, FRAMING_HEADER, OPEN, PASSTHROUGH, QUARANTINE, ROUTES, ServicePort,
};
use super::passthrough;
use super::policy;
use super::quarantine;
use super::sticky;
use super::values::seconds;
use crate::model::{Bounds, DestinationPort, Group, Mirror, Quarantine};

/// A route configuration. Its virtual hosts are made one by one as they are looked at: a group of many destinations has
/// thousands, which as messages take ten times the memory of what is sent.
#[derive(Clone, Debug)]
pub struct Routes<'g> {
    /// What listeners call it.
    pub name: String,
    pub(crate) hosts: Vec<Host<'g>>,
    quarantine: Option<&'g Quarantine>,
}

/// What a virtual host is made of.
#[derive(Clone, Debug)]
pub(crate) enum Host<'g> {
    /// A form of a destination port that is told by its Host.
    Named(&'g DestinationPort, HostForm),
    /// A form of a destination port that is told by its address.
    Captured(&'g DestinationPort, HostForm),
    /// Hosts that a quarantine leaves alone, on a forward proxy on this port.
    Open(Vec<String>, u16),
    /// Everything else that comes to a forward proxy on this port.
    Rest(u16),
    /// Everything that comes to a port that a quarantine watches.
    Watched(&'g Quarantine),
}

impl Routes<'_> {
    /// The virtual hosts.
    pub fn virtual_hosts(&self) -> impl Iterator<Item = VirtualHost> {
        self.hosts.iter().map(|host| host.message(self.quarantine))
    }

    /// All but the virtual hosts.
    pub fn frame(&self) -> RouteConfiguration {
        RouteConfiguration {
            name: self.name.clone(),
            // From whatever is sent on: requests, their copies, and what passes through. A copy gets the second one afterwards.
            request_headers_to_remove: [FRAMING_HEADER, FORWARDED_HEADER]
                .map(str::to_owned)
                .to_vec(),
            ..RouteConfiguration::default()
        }
    }

    /// The whole.
    pub fn message(&self) -> RouteConfiguration {
        RouteConfiguration {
            virtual_hosts: self.virtual_hosts().collect(),
            ..self.frame()
        }
    }
}

/// What is sent is what counts.
impl PartialEq for Routes<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.frame() == other.frame() && self.virtual_hosts().eq(other.virtual_hosts())
    }
}

impl Host<'_> {
    fn message(&self, held: Option<&Quarantine>) -> VirtualHost {
        match self {
            Self::Named(port, form) => {
                let primary = cluster::primary_name(&port.backend);
                let refused = held.map(quarantine::refusals).unwrap_or_default();
                virtual_host(form.host.clone(), port, form, &primary, &refused)
            }
            Self::Captured(port, form) => {
                // The statistics go by this name, and `*` is in the routes of every port.
                let name = match form.host.as_str() {
                    "*" => ServicePort::from(&*port.backend).to_string(),
                    host => host.to_owned(),
                };
                let first = held.map_or_else(|| vec![connect()], quarantine::refusals);
                virtual_host(name, port, form, PASSTHROUGH, &first)
            }
            Self::Open(hosts, listen) => VirtualHost {
                name: OPEN.to_owned(),
                domains: hosts.clone(),
                ..passthrough::virtual_host(*listen, Vec::new())
            },
            Self::Rest(listen) => {
                let refused = held.map(quarantine::refusals).unwrap_or_default();
                passthrough::virtual_host(*listen, refused)
            }
            Self::Watched(quarantine) => quarantine::virtual_host(quarantine),
        }
    }
}

/// The route configuration of a forward proxy on this port: each form of each destination, all the rest.
pub(super) fn by_host(group: &Group, listen: u16) -> Routes<'_> {
    let mut virtual_hosts = Vec::new();
    // A domain that is claimed twice makes Envoy refuse the whole configuration: the first claim counts.
    let mut claimed: HashSet<String> = HashSet::from(["*".to_owned()]);
    for destination in &group.destinations {
        for port in &destination.ports {
            for form in hosts::forms(destination, port) {
                if claimed.insert(form.host.clone()) {
                    virtual_hosts.push(Host::Named(port, form));
                }
            }
        }
    }
    let mut open = Vec::new();
    if let Some(Quarantine {
        bounds: Bounds::Hosts(destinations),
        ..
    }) = &group.quarantine
    {
        for destination in destinations {
            let forms = destination.ports.iter();
            let forms = forms.flat_map(|port| hosts::forms(destination, port));
            open.extend(forms.map(|form| form.host));
        }
        open.retain(|host| claimed.insert(host.clone()));
    }
    if !open.is_empty() {
        virtual_hosts.push(Host::Open(open, listen));
    }
    virtual_hosts.push(Host::Rest(listen));
    Routes {
        name: ROUTES.to_owned(),
        hosts: virtual_hosts,
        quarantine: group.quarantine.as_ref(),
    }
}

/// The route configurations of the captured ports, by name. All requests of a port are for its destination, whatever their
/// Host; of those to a Host that names it, the copies name the target in its place.
pub(super) fn by_port(group: &Group) -> Vec<Routes<'_>> {
    let mut configurations = BTreeMap::new();
    for destination in &group.destinations {
        for port in destination
            .ports
            .iter()
            .filter(|port| !port.addresses.is_empty())
        {
            let forms = hosts::names(destination, port).into_iter();
            let forms = forms.chain([HostForm::any()]);
            let name = ServicePort::from(&*port.backend).to_string();
            configurations.entry(name.clone()).or_insert_with(|| {
                let hosts = forms.map(|form| Host::Captured(port, form)).collect();
                Routes {
                    name,
                    hosts,
                    quarantine: group.quarantine.as_ref(),
                }
            });
        }
    }
    if let Some(quarantine) = &group.quarantine {
        let routes = Routes {
            name: QUARANTINE.to_owned(),
            hosts: vec![Host::Watched(quarantine)],
            quarantine: Some(quarantine),
        };
        configurations.insert(QUARANTINE.to_owned(), routes);
    }
    configurations.into_values().collect()
}

/// CONNECT has no path that the other routes could match.
fn connect() -> Route {
    Route {
        r#match: Some(RouteMatch {
            path_specifier: Some(PathSpecifier::ConnectMatcher(ConnectMatcher {})),
            ..RouteMatch::default()
        }),
        action: Some(to_cluster(PASSTHROUGH, Vec::new())),
        ..Route::default()
    }
}

/// One form of a port. What `first` does not match goes to the cluster `primary`, and is copied as the port says.
fn virtual_host(
    name: String,
    port: &DestinationPort,
    form: &HostForm,
    primary: &str,
    first: &[Route],
) -> VirtualHost {
    let route = |case: Case<'_>| Route {
        r#match: Some(case.matching),
        action: Some(to_cluster(primary, policy::policies(&case.mirrors, form))),
        stat_prefix: case.spared.unwrap_or_default().to_owned(),
        ..Route::default()
    };
    let routes = |mirrors: &[&Mirror]| {
        let cases = cases::cases(mirrors).into_iter().map(route);
        first.iter().cloned().chain(cases).collect()
    };
    let mirrors: Vec<_> = port.mirrors.iter().collect();
    let matcher = sticky::matcher(&mirrors, routes);
    VirtualHost {
        name,
        domains: vec![form.host.clone()],
        routes: match matcher {
            Some(_) => Vec::new(),
            None => routes(&mirrors),
        },
        matcher,
        ..VirtualHost::default()
    }
}

/// Matches every path.
pub(super) fn any_request() -> RouteMatch {
    RouteMatch {
        path_specifier: Some(PathSpecifier::Prefix("/".to_owned())),
        ..RouteMatch::default()
    }
}

/// To a cluster, for as long as it takes.
pub(super) fn to_cluster(cluster: &str, copies: Vec<RequestMirrorPolicy>) -> Action {
    Action::Route(RouteAction {
        timeout: seconds(0),
        request_mirror_policies: copies,
        cluster_specifier: Some(ClusterSpecifier::Cluster(cluster.to_owned())),
        ..RouteAction::default()
    })
}
