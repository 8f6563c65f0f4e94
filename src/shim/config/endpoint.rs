//! Endpoints of a cluster.

use std::net::SocketAddr;
use std::sync::Arc;

use envoy_types::pb::envoy::config::core::v3 as core;
use envoy_types::pb::envoy::config::core::v3::address::Address;
use envoy_types::pb::envoy::config::core::v3::socket_address::{PortSpecifier, Protocol};
use envoy_types::pb::envoy::config::endpoint::v3 as proto;
use proto::lb_endpoint::HostIdentifier;

use super::rejection::only;
use super::{Rejection, Within};

/// Addresses in the order they came; may be empty.
pub(in crate::shim) type Endpoints = Arc<[SocketAddr]>;

/// The endpoints of an accepted assignment.
pub(in crate::shim) fn endpoints(
    message: &proto::ClusterLoadAssignment,
) -> Result<Endpoints, Rejection> {
    let mut addresses = Vec::new();
    for (outer, locality) in message.endpoints.iter().enumerate() {
        only(
            locality.priority == 0,
            &format!("endpoints[{outer}].priority"),
            "must be 0",
        )?;
        for (inner, endpoint) in locality.lb_endpoints.iter().enumerate() {
            let path = format!("endpoints[{outer}].lb_endpoints[{inner}]");
            let Some(HostIdentifier::Endpoint(endpoint)) = &endpoint.host_identifier else {
                return Err(Rejection::new("endpoint", "is missing")).within(path);
            };
            addresses.push(socket(endpoint.address.as_ref(), "endpoint.address").within(path)?);
        }
    }
    Ok(addresses.into())
}

/// An IP address and a TCP port.
pub(super) fn socket(address: Option<&core::Address>, path: &str) -> Result<SocketAddr, Rejection> {
    let Some(Address::SocketAddress(socket)) = address.and_then(|outer| outer.address.as_ref())
    else {
        return Err(Rejection::new(path, "must be a socket_address"));
    };
    only(
        socket.protocol == Protocol::Tcp as i32,
        &format!("{path}.socket_address.protocol"),
        "must be TCP",
    )?;
    let ip = socket.address.parse().map_err(|_| {
        Rejection::new(
            format!("{path}.socket_address.address"),
            format!("`{}` is not an IP address", socket.address),
        )
    })?;
    match socket.port_specifier {
        Some(PortSpecifier::PortValue(port)) => u16::try_from(port).ok(),
        _ => None,
    }
    .map(|port| SocketAddr::new(ip, port))
    .ok_or_else(|| Rejection::new(format!("{path}.socket_address.port_value"), "is not a port"))
}
