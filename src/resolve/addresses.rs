//! The addresses to which callers of a Service connect, once DNS has told them.

use std::net::{IpAddr, SocketAddr};

use super::endpoints::Endpoints;
use crate::api::core::{Service, ServicePort};

/// The virtual addresses of a Service, in its own order; a headless one has none.
pub(super) fn cluster_ips(service: &Service) -> Vec<IpAddr> {
    let all = service.spec.cluster_ips.iter();
    let mut addresses = Vec::new();
    for text in all.chain(&service.spec.cluster_ip) {
        if let Ok(address) = text.parse()
            && !addresses.contains(&address)
        {
            addresses.push(address);
        }
    }
    addresses
}

/// The addresses of one port, sorted, none twice: the virtual ones and those of load balancers with the Service's port, or
/// those of the endpoints, if it is headless, with theirs.
///
/// Endpoints count ready or not. Whoever has an address connects to it whatever its state, and one that comes and goes with
/// its state would take the connections to it along.
pub(super) fn of(
    service: &Service,
    port: &ServicePort,
    endpoints: &Endpoints<'_>,
) -> Vec<SocketAddr> {
    if service.spec.kind.as_deref() == Some("ExternalName") {
        return Vec::new();
    }
    let spread = |ips: &[IpAddr]| -> Vec<_> {
        ips.iter()
            .map(|ip| SocketAddr::new(*ip, port.port))
            .collect()
    };
    let mut addresses = match cluster_ips(service).as_slice() {
        [] => endpoints.in_any_state(port.name.as_deref().unwrap_or_default()),
        ips => spread(ips),
    };
    addresses.extend(spread(&external(service)));
    // What goes to the Pod itself is never redirected.
    addresses.retain(|address| !address.ip().is_loopback() && !address.ip().is_unspecified());
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

/// Addresses outside the cluster, which its nodes treat as their own.
fn external(service: &Service) -> Vec<IpAddr> {
    let ingress = &service.status.load_balancer.ingress;
    let balancers = ingress.iter().filter_map(|point| point.ip.as_ref());
    let texts = service.spec.external_ips.iter().chain(balancers);
    texts.filter_map(|text| text.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use serde_json::json;

    use super::of;
    use crate::api::core::{EndpointSlice, Service};
    use crate::diag::Report;
    use crate::dialect::fixture::sourced;
    use crate::resolve::endpoints::Endpoints;

    /// The addresses of the ports of a Service, whose endpoints are 10.0.0.1 and 10.0.0.2, of which one is ready.
    fn addresses(spec: Value, status: Value) -> Vec<String> {
        let slice = sourced::<EndpointSlice>(json!({
            "metadata": {"name": "s"}, "addressType": "IPv4",
            "ports": [{"name": "http", "port": 3000}, {"name": "http", "port": 3001}, {"name": "x", "port": 4000}],
            "endpoints": [
                {"addresses": ["10.0.0.2"]},
                {"addresses": ["10.0.0.1"], "conditions": {"ready": false}},
            ],
        }));
        let endpoints = Endpoints::read(&[&slice], &mut Report::default());
        let service: Service =
            serde_json::from_value(json!({"metadata": {}, "spec": spec, "status": status}))
                .unwrap();
        let ports = service.spec.ports.iter();
        let all = ports.flat_map(|port| of(&service, port, &endpoints));
        all.map(|address| address.to_string()).collect()
    }

    #[test]
    fn callers_connect_to_virtual_addresses_or_else_to_endpoints() {
        let ports =
            json!([{"name": "http", "port": 80, "targetPort": "web"}, {"name": "x", "port": 81}]);
        for (spec, status, expected) in [
            (
                json!({"ports": ports, "clusterIP": "10.96.0.1", "clusterIPs": ["10.96.0.1", "fd00::1"]}),
                json!({}),
                vec![
                    "10.96.0.1:80",
                    "[fd00::1]:80",
                    "10.96.0.1:81",
                    "[fd00::1]:81",
                ],
            ),
            (
                json!({"ports": ports, "clusterIP": "None", "clusterIPs": ["None"]}),
                json!({}),
                vec![
                    "10.0.0.1:3000",
                    "10.0.0.1:3001",
                    "10.0.0.2:3000",
                    "10.0.0.2:3001",
                    "10.0.0.1:4000",
                    "10.0.0.2:4000",
                ],
            ),
            (
                json!({"ports": [{"port": 80}], "clusterIP": "10.96.0.1", "externalIPs": ["192.0.2.1", "127.0.0.1"]}),
                json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.2"}, {"hostname": "lb.example"}]}}),
                vec!["10.96.0.1:80", "192.0.2.1:80", "192.0.2.2:80"],
            ),
            (
                json!({"ports": ports, "type": "ExternalName", "externalName": "example.org"}),
                json!({}),
                vec![],
            ),
        ] {
            assert_eq!(addresses(spec.clone(), status), expected, "{spec}");
        }
    }
}
