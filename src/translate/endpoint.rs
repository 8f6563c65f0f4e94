//! Endpoints, one assignment per Service port however many clusters use it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use envoy_types::pb::envoy::config::endpoint::v3::lb_endpoint::HostIdentifier;
use envoy_types::pb::envoy::config::endpoint::v3::{
    ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints,
};

use super::names::ServicePort;
use super::values::{address, number};
use crate::model::{Backend, Capture, Group};

/// All assignments of a group, by name.
pub(super) fn endpoints(group: &Group) -> Vec<ClusterLoadAssignment> {
    let mut assignments = BTreeMap::new();
    for port in group.destinations.iter().flat_map(|each| &each.ports) {
        let targets = port.mirrors.iter();
        let targets = targets.filter_map(|mirror| mirror.target.backend());
        let primary = match group.capture {
            Capture::Explicit(_) => Some(&port.backend),
            // A request goes on to where it was going.
            Capture::Transparent => None,
        };
        for backend in primary.into_iter().chain(targets) {
            let name = ServicePort::from(&**backend).to_string();
            assignments
                .entry(name)
                .or_insert_with_key(|name| assignment(name, backend));
        }
    }
    assignments.into_values().collect()
}

fn assignment(name: &str, backend: &Backend) -> ClusterLoadAssignment {
    let locality = LocalityLbEndpoints {
        lb_endpoints: backend.endpoints.iter().copied().map(endpoint).collect(),
        load_balancing_weight: number(1),
        ..LocalityLbEndpoints::default()
    };
    ClusterLoadAssignment {
        cluster_name: name.to_owned(),
        endpoints: if backend.endpoints.is_empty() {
            Vec::new()
        } else {
            vec![locality]
        },
        ..ClusterLoadAssignment::default()
    }
}

fn endpoint(of: SocketAddr) -> LbEndpoint {
    LbEndpoint {
        host_identifier: Some(HostIdentifier::Endpoint(Endpoint {
            address: address(of),
            ..Endpoint::default()
        })),
        ..LbEndpoint::default()
    }
}
