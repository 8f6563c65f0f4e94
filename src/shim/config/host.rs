//! The one host of a cluster that has no EDS.

use envoy_types::pb::envoy::config::core::v3::address::Address;
use envoy_types::pb::envoy::config::core::v3::socket_address::PortSpecifier;
use envoy_types::pb::envoy::config::endpoint::v3::ClusterLoadAssignment;
use envoy_types::pb::envoy::config::endpoint::v3::lb_endpoint::HostIdentifier;

use super::cluster::Discovery;
use super::rejection::Rejection;

/// The only endpoint, whose host may be a name.
pub(super) fn of(assignment: Option<&ClusterLoadAssignment>) -> Result<Discovery, Rejection> {
    let localities = assignment.map_or(&[][..], |assignment| assignment.endpoints.as_slice());
    let endpoint = match localities {
        [locality] => match locality.lb_endpoints.as_slice() {
            [endpoint] => endpoint.host_identifier.as_ref(),
            _ => None,
        },
        _ => None,
    };
    let address = match endpoint {
        Some(HostIdentifier::Endpoint(endpoint)) => endpoint.address.as_ref(),
        _ => None,
    };
    if let Some(Address::SocketAddress(socket)) = address.and_then(|one| one.address.as_ref())
        && let Some(PortSpecifier::PortValue(port)) = socket.port_specifier
        && let Ok(port) = u16::try_from(port)
    {
        return Ok(Discovery::Host(socket.address.clone(), port));
    }
    Err(Rejection::new(
        "endpoints",
        "must be one, with an address and a port: the shim supports nothing else",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assignment_has_one_endpoint() {
        for assignment in [None, Some(ClusterLoadAssignment::default())] {
            let text = of(assignment.as_ref()).unwrap_err().to_string();
            assert!(text.starts_with("endpoints must be one"), "{text}");
        }
    }
}
