//! The cluster of a target that is no Service.

use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::cluster::v3::cluster::{
    ClusterDiscoveryType, DiscoveryType, DnsLookupFamily,
};
use envoy_types::pb::envoy::config::core::v3::address::Address as Kind;
use envoy_types::pb::envoy::config::core::v3::socket_address::PortSpecifier;
use envoy_types::pb::envoy::config::core::v3::{Address, SocketAddress};
use envoy_types::pb::envoy::config::endpoint::v3::lb_endpoint::HostIdentifier;
use envoy_types::pb::envoy::config::endpoint::v3::{
    ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints,
};
use envoy_types::pb::google::protobuf::BoolValue;

use super::tls;
use crate::model::External;

/// The cluster of this name, which is `guest` in all else.
#[expect(
    deprecated,
    reason = "what takes the place of `respect_dns_ttl` needs an Envoy of 2025"
)]
pub(super) fn cluster(name: String, external: &External, guest: Cluster) -> Cluster {
    let discovery = match external.address() {
        Some(_) => DiscoveryType::Static,
        // One address at a time: a host with many of them changes its answers for ever.
        None => DiscoveryType::LogicalDns,
    };
    Cluster {
        load_assignment: Some(assignment(name.clone(), external)),
        name,
        dns_lookup_family: DnsLookupFamily::V4Preferred.into(),
        respect_dns_ttl: true,
        // A sidecar starts when all of its clusters are ready. With a DNS that does not answer it never would.
        wait_for_warm_on_init: Some(BoolValue { value: false }),
        transport_socket: external
            .tls
            .as_ref()
            .map(|tls| tls::socket(tls, external.protocol)),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(discovery.into())),
        ..guest
    }
}

fn assignment(name: String, external: &External) -> ClusterLoadAssignment {
    let address = SocketAddress {
        address: external.host.clone(),
        port_specifier: Some(PortSpecifier::PortValue(external.port.get().into())),
        ..SocketAddress::default()
    };
    let endpoint = Endpoint {
        address: Some(Address {
            address: Some(Kind::SocketAddress(address)),
        }),
        ..Endpoint::default()
    };
    ClusterLoadAssignment {
        cluster_name: name,
        endpoints: vec![LocalityLbEndpoints {
            lb_endpoints: vec![LbEndpoint {
                host_identifier: Some(HostIdentifier::Endpoint(endpoint)),
                ..LbEndpoint::default()
            }],
            ..LocalityLbEndpoints::default()
        }],
        ..ClusterLoadAssignment::default()
    }
}
