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

use super::cluster;
use super::hosts;
use super::hosts::HostForm;
use super::mirror;
use super::mirror::Verdict;
use super::names::{FRAMING_HEADER, ROUTES, ServicePort};
use super::passthrough;
use super::values::seconds;
use crate::model::{DestinationPort, Group};

/// The route configuration of a forward proxy on this port: each form of each destination, all the rest.
pub(super) fn by_host(group: &Group, listen: u16) -> RouteConfiguration {
    let mut virtual_hosts = Vec::new();
    // A domain that is claimed twice makes Envoy refuse the whole configuration: the first claim counts.
    let mut claimed: HashSet<String> = HashSet::from(["*".to_owned()]);
    for destination in &group.destinations {
        for port in &destination.ports {
            for form in hosts::forms(destination, port) {
                if claimed.insert(form.host.clone()) {
                    virtual_hosts.push(virtual_host(port, form, Vec::new()));
                }
            }
        }
    }
    virtual_hosts.push(passthrough::virtual_host(listen));
    configuration(ROUTES.to_owned(), virtual_hosts)
}

/// The route configurations of the captured ports, by name. All requests of a port are for its destination, whatever their
/// Host; of those to a Host that names it, the copies name the target in its place.
pub(super) fn by_port(group: &Group) -> Vec<RouteConfiguration> {
    let mut configurations = BTreeMap::new();
    for destination in &group.destinations {
        for port in destination
            .ports
            .iter()
            .filter(|port| !port.addresses.is_empty())
        {
            let forms = hosts::names(destination, port).into_iter();
            let forms = forms.chain([HostForm::any()]);
            let virtual_hosts = forms.map(|form| virtual_host(port, form, vec![connect(port)]));
            let name = ServicePort::from(&*port.backend).to_string();
            configurations
                .entry(name.clone())
                .or_insert_with(|| configuration(name, virtual_hosts.collect()));
        }
    }
    configurations.into_values().collect()
}

/// CONNECT has no path that the other routes could match.
fn connect(port: &DestinationPort) -> Route {
    Route {
        r#match: Some(RouteMatch {
            path_specifier: Some(PathSpecifier::ConnectMatcher(ConnectMatcher {})),
            ..RouteMatch::default()
        }),
        action: Some(to_cluster(
            &cluster::primary_name(&port.backend),
            Vec::new(),
        )),
        ..Route::default()
    }
}

fn configuration(name: String, virtual_hosts: Vec<VirtualHost>) -> RouteConfiguration {
    RouteConfiguration {
        name,
        virtual_hosts,
        // From whatever is sent on: requests, their copies, and what passes through.
        request_headers_to_remove: vec![FRAMING_HEADER.to_owned()],
        ..RouteConfiguration::default()
    }
}

fn virtual_host(port: &DestinationPort, form: HostForm, mut first: Vec<Route>) -> VirtualHost {
    let primary = cluster::primary_name(&port.backend);
    let route = |matching, policies| Route {
        r#match: Some(matching),
        action: Some(to_cluster(&primary, policies)),
        ..Route::default()
    };
    let routes = if port.mirrors.is_empty() {
        vec![route(any_request(), Vec::new())]
    } else {
        let policies = mirror::policies(&port.mirrors, &form);
        mirror::cases()
            .into_iter()
            .map(|(case, verdict)| {
                let matching = RouteMatch {
                    headers: case,
                    ..any_request()
                };
                match verdict {
                    Verdict::Copy => route(matching, policies.clone()),
                    Verdict::Spare => route(matching, Vec::new()),
                }
            })
            .collect()
    };
    first.extend(routes);
    VirtualHost {
        name: form.host.clone(),
        domains: vec![form.host],
        routes: first,
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
