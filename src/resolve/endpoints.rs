//! The ready endpoints behind a Service, from its EndpointSlices.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use crate::api::core::{EndpointPort, EndpointSlice, SERVICE_NAME};
use crate::diag::{Code, Diagnostic, FieldPath, Report};
use crate::name::Namespaced;
use crate::source::{Objects, Sourced};

/// The slices of every Service.
pub(super) type SlicesByService<'a> = BTreeMap<Namespaced, Vec<&'a Sourced<EndpointSlice>>>;

/// Finds the slices of every Service.
pub(super) fn by_service(objects: &Objects) -> SlicesByService<'_> {
    let mut slices = SlicesByService::new();
    for (name, slice) in &objects.endpoint_slices {
        if let Some(service) = slice.object.metadata.labels.get(SERVICE_NAME) {
            let service = Namespaced::new(&name.namespace, service);
            slices.entry(service).or_default().push(slice);
        }
    }
    slices
}

/// What is used of an EndpointSlice.
#[derive(Debug)]
struct Slice<'a> {
    ports: &'a [EndpointPort],
    addresses: Vec<Address<'a>>,
}

/// An endpoint without its port.
#[derive(Clone, Copy, Debug)]
struct Address<'a> {
    /// The first of its addresses.
    ip: IpAddr,
    is_ready: bool,
    pod: Option<&'a str>,
}

/// An endpoint of a Service port.
#[derive(Clone, Copy, Debug)]
pub(super) struct Behind<'a> {
    /// Where it is.
    pub(super) at: SocketAddr,
    /// Whether it takes requests.
    pub(super) is_ready: bool,
    /// Its Pod, in the namespace of the Service, if it says which that is.
    pub(super) pod: Option<&'a str>,
}

/// What can be reached behind one Service.
#[derive(Debug, Default)]
pub(super) struct Endpoints<'a> {
    slices: Vec<Slice<'a>>,
}

impl<'a> Endpoints<'a> {
    /// Reads the slices of one Service, reporting endpoints that cannot be used.
    pub(super) fn read(slices: &[&'a Sourced<EndpointSlice>], report: &mut Report) -> Self {
        let slices = slices.iter().map(|slice| {
            let addresses = addresses(slice, report);
            report_ports(slice, report);
            Slice {
                ports: slice.object.ports.as_slice(),
                addresses,
            }
        });
        Self {
            slices: slices.collect(),
        }
    }

    /// The ready endpoints of the Service port of this name (empty for an unnamed one), sorted, none twice.
    pub(super) fn of_port(&self, name: &str) -> Vec<SocketAddr> {
        in_order(self.behind(name).filter(|one| one.is_ready))
    }

    /// Likewise, all endpoints: also those that are not ready.
    pub(super) fn in_any_state(&self, name: &str) -> Vec<SocketAddr> {
        in_order(self.behind(name))
    }

    /// Each of its endpoints, in any state and order; one that several slices have comes with each.
    pub(super) fn behind(&self, name: &str) -> impl Iterator<Item = Behind<'a>> {
        self.slices.iter().flat_map(move |slice| {
            let Slice { ports, addresses } = slice;
            let at_ports = move |address: &Address<'a>| {
                let Address { ip, is_ready, pod } = *address;
                numbers(ports, name).map(move |port| Behind {
                    at: SocketAddr::new(ip, port),
                    is_ready,
                    pod,
                })
            };
            addresses.iter().flat_map(at_ports)
        })
    }

    /// What is to be done if the Service port of this name has no ready endpoints.
    pub(super) fn help_if_empty(&self, service: &Namespaced, name: &str) -> String {
        if self.slices.is_empty() {
            return add_slice(service);
        }
        let mut ports = self.slices.iter().flat_map(|slice| slice.ports);
        if ports.any(|port| port.name.as_deref().unwrap_or_default() == name) {
            return "its EndpointSlices have that port, but no endpoint that is ready: look at its Pods"
                .to_owned();
        }
        let called = |name: &str| match name {
            "" => "without a name".to_owned(),
            name => format!("`{name}`"),
        };
        let ports = self.slices.iter().flat_map(|slice| slice.ports);
        let there: BTreeSet<_> = ports
            .map(|port| called(port.name.as_deref().unwrap_or_default()))
            .collect();
        let there = match there.into_iter().collect::<Vec<_>>().join(", ") {
            none if none.is_empty() => "none".to_owned(),
            there => there,
        };
        format!(
            "name a port of its EndpointSlices as the Service does, {}; they have {there}",
            called(name)
        )
    }

    /// Whether Pods serve the Service port of this name on the port `number`.
    pub(super) fn are_on(&self, name: &str, number: u16) -> bool {
        let mut slices = self.slices.iter();
        slices.any(|slice| numbers(slice.ports, name).any(|port| port == number))
    }
}

/// Where they are, sorted, none twice.
pub(super) fn in_order<'a>(endpoints: impl Iterator<Item = Behind<'a>>) -> Vec<SocketAddr> {
    let mut endpoints: Vec<_> = endpoints.map(|one| one.at).collect();
    endpoints.sort_unstable();
    endpoints.dedup();
    endpoints
}

/// What is to be done about a Service without EndpointSlices.
pub(super) fn add_slice(service: &Namespaced) -> String {
    let Namespaced { namespace, name } = service;
    format!(
        "no EndpointSlice in the namespace `{namespace}` has the label `{SERVICE_NAME}: {name}`; add one"
    )
}

fn numbers(ports: &[EndpointPort], name: &str) -> impl Iterator<Item = u16> {
    let ports = ports
        .iter()
        .filter(move |port| port.name.as_deref().unwrap_or_default() == name);
    ports
        .filter_map(|port| port.port)
        .filter(|number| *number != 0)
}

/// The first address of each endpoint (`discovery.k8s.io/v1`: the others are not used; an unknown state is ready).
fn addresses<'a>(slice: &'a Sourced<EndpointSlice>, report: &mut Report) -> Vec<Address<'a>> {
    let Sourced { object, origin } = slice;
    let mut complain = |path, message: String, help| {
        report.push(
            Diagnostic::new(Code::BadEndpoint, origin, path, message)
                .effect("it gets no requests from sidecars; the other endpoints do")
                .help(help),
        );
    };
    if object.address_type == "FQDN" {
        let message = "endpoints of the address type FQDN are not supported".to_owned();
        complain(
            FieldPath::of("addressType"),
            message,
            "use IPv4 or IPv6 addresses",
        );
        return Vec::new();
    }
    let mut addresses = Vec::new();
    for (index, endpoint) in object.endpoints.iter().enumerate() {
        let is_ready = endpoint.conditions.ready != Some(false);
        let path = FieldPath::of("endpoints").index(index).key("addresses");
        match endpoint
            .addresses
            .first()
            .map(|address| (address, address.parse()))
        {
            Some((_, Ok(ip))) => addresses.push(Address {
                ip,
                is_ready,
                pod: endpoint.target_ref.0.as_deref(),
            }),
            // It gets no requests anyhow.
            _ if !is_ready => {}
            Some((text, Err(_))) => {
                complain(
                    path.index(0),
                    format!("`{text}` is not an IP address"),
                    "use an IPv4 or IPv6 address",
                );
            }
            None => complain(
                path,
                "the endpoint has no address".to_owned(),
                "add its address",
            ),
        }
    }
    addresses
}

fn report_ports(slice: &Sourced<EndpointSlice>, report: &mut Report) {
    for (index, port) in slice.object.ports.iter().enumerate() {
        if port.port.is_none_or(|number| number == 0) {
            let path = FieldPath::of("ports").index(index);
            let message = "the port of the endpoints has no number";
            report.push(
                Diagnostic::new(Code::BadEndpoint, &slice.origin, path, message)
                    .effect("it gets no requests from sidecars; the other ports do")
                    .help("add its number, 1 to 65535"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use serde_json::json;

    use super::Endpoints;
    use crate::diag::Report;
    use crate::dialect::fixture::{found, sourced};

    fn read(slices: &[Value], port: &str) -> (Vec<String>, Vec<String>) {
        let slices: Vec<_> = slices
            .iter()
            .map(|slice| {
                let mut slice = slice.clone();
                slice["metadata"] = json!({"name": "s"});
                sourced(slice)
            })
            .collect();
        let mut report = Report::default();
        let endpoints = Endpoints::read(&slices.iter().collect::<Vec<_>>(), &mut report);
        let addresses = endpoints
            .of_port(port)
            .iter()
            .map(ToString::to_string)
            .collect();
        (addresses, found(&report))
    }

    #[test]
    fn ready_endpoints_are_sorted_and_counted_once() {
        let slice = json!({
            "addressType": "IPv4",
            "ports": [{"name": "http", "port": 8080}, {"name": "admin", "port": 9000}],
            "endpoints": [
                {"addresses": ["10.0.0.3", "10.0.0.9"]},
                {"addresses": ["10.0.0.2"], "conditions": {"ready": false}},
                {"addresses": ["10.0.0.1"], "conditions": {"ready": true}},
            ],
        });
        let six = json!({
            "addressType": "IPv6",
            "ports": [{"name": "http", "port": 8080}],
            "endpoints": [{"addresses": ["fd00::1"]}],
        });
        let (endpoints, found) = read(&[six, slice.clone(), slice], "http");
        assert_eq!(
            endpoints,
            ["10.0.0.1:8080", "10.0.0.3:8080", "[fd00::1]:8080"]
        );
        assert!(found.is_empty());
    }

    #[test]
    fn an_unnamed_port_is_found_by_the_empty_name() {
        for port in [json!({"port": 1}), json!({"name": "", "port": 1})] {
            let slice = json!({
                "addressType": "IPv4", "ports": [port], "endpoints": [{"addresses": ["10.0.0.1"]}],
            });
            assert_eq!(read(&[slice], "").0, ["10.0.0.1:1"]);
        }
    }

    #[test]
    fn what_cannot_be_used_is_reported() {
        let slice = |ty: &str, addresses: Value, port: Value| json!({"addressType": ty, "ports": [port], "endpoints": [{"addresses": addresses}]});
        for (slice, expected) in [
            (
                slice("FQDN", json!(["a.example"]), json!({"port": 1})),
                "addressType",
            ),
            (
                slice("IPv4", json!(["a.example"]), json!({"port": 1})),
                "endpoints[0].addresses[0]",
            ),
            (
                slice("IPv4", json!([]), json!({"port": 1})),
                "endpoints[0].addresses",
            ),
            (
                slice("IPv4", json!(["10.0.0.1"]), json!({"port": 0})),
                "ports[0]",
            ),
            (slice("IPv4", json!(["10.0.0.1"]), json!({})), "ports[0]"),
        ] {
            let (endpoints, found) = read(&[slice], "");
            assert!(endpoints.is_empty());
            assert_eq!(found, [format!("BadEndpoint {expected}")]);
        }
    }
}
