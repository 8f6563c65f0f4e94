//! To whom those in quarantine may speak as ever, and at which ports it is looked at what they say.
//!
//! With explicit capture a sidecar sees the name of every host, and everybody counts as live but the Services that receive
//! nothing but copies themselves.
//!
//! With transparent capture it is told by addresses, and those come and go. Were it told the addresses of what is live, a
//! Pod that is new would be at its mercy for a moment. So it is told the ports instead, of everything that is live, and at
//! these the addresses of what is not. Nothing but the port is known of hosts outside, so those that the web and databases
//! commonly have are among them.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::LazyLock;

use super::callers::Callers;
use super::quarantine::Asked;
use super::services::{Services, UsedService};
use crate::api::core::{IntOrString, SERVICE_NAME, Service};
use crate::api::meta::has_all;
use crate::model::{Bounds, Capture, Destination, DestinationPort, SIDECAR_PORTS};
use crate::name::Namespaced;
use crate::source::Objects;

/// The Service of the Kubernetes API. A Pod that cannot reach it may not even start, and what it may do there is said by its
/// service account.
pub(super) static API_SERVER: LazyLock<Namespaced> =
    LazyLock::new(|| Namespaced::new("default", "kubernetes"));

/// The port of DNS, without which nothing goes.
const DNS: u16 = 53;

/// The web, and the usual ports of SQL Server, Oracle, MySQL, PostgreSQL, AMQP, Redis, Cassandra, Kafka, memcached and
/// MongoDB.
const USUAL: [u16; 12] = [
    80, 443, 1433, 1521, 3306, 5432, 5672, 6379, 9042, 9092, 11211, 27017,
];

/// The other side of all quarantines.
#[derive(Default)]
pub(super) struct Harmless<'a> {
    /// The Services that receive nothing but copies.
    shadows: Vec<(&'a Namespaced, &'a UsedService<'a>)>,
    api_server: Option<&'a UsedService<'a>>,
    ports: BTreeSet<u16>,
    has_ipv6: bool,
}

impl<'a> Harmless<'a> {
    pub(super) fn find(
        asked: &Asked<'a>,
        callers: &Callers,
        services: &'a Services<'a>,
        objects: &Objects,
    ) -> Self {
        let shadows = asked.shadows().filter_map(|name| {
            let service = services.get(name)?;
            let is_alone = service
                .selector()
                .is_some_and(|_| !is_live(name, service, asked, callers, objects));
            is_alone.then_some((name, service))
        });
        let shadows: Vec<_> = shadows.collect();
        let is_harmless = |name: &Namespaced| {
            *name == *API_SERVER || shadows.iter().any(|(shadow, _)| *shadow == name)
        };
        let mut ports: BTreeSet<u16> = USUAL.into();
        let mut has_ipv6 = false;
        for (name, service) in &objects.services {
            has_ipv6 |= is_ipv6(&service.object);
            if !is_harmless(name) {
                ports.extend(numbers(&service.object));
            }
        }
        for (name, slice) in &objects.endpoint_slices {
            has_ipv6 |= slice.object.address_type == "IPv6";
            let service = slice.object.metadata.labels.get(SERVICE_NAME);
            let service = service.map(|service| Namespaced::new(&name.namespace, service));
            if !service.is_some_and(|service| is_harmless(&service)) {
                ports.extend(slice.object.ports.iter().filter_map(|port| port.port));
            }
        }
        ports.retain(|port| *port != 0 && *port != DNS && !SIDECAR_PORTS.contains(port));
        Self {
            api_server: services.get(&API_SERVER),
            shadows,
            ports,
            has_ipv6,
        }
    }

    /// What a sidecar with this capture goes by, in this namespace.
    pub(super) fn bounds(&self, capture: Capture, namespace: &str) -> Bounds {
        match capture {
            Capture::Explicit(_) => Bounds::Hosts(self.hosts(namespace)),
            Capture::Transparent => self.addresses(),
        }
    }

    fn hosts(&self, namespace: &str) -> Vec<Destination> {
        let destinations = self.shadows.iter().map(|(name, service)| {
            let ports = service
                .served_ports()
                .map(|(port, backend)| DestinationPort {
                    backend: Arc::clone(backend),
                    addresses: Vec::new(),
                    certainty: port.certainty(),
                    mirrors: Vec::new(),
                });
            Destination {
                service: (*name).clone(),
                cluster_ips: service.cluster_ips.clone(),
                local: name.namespace == namespace,
                default_port: service.default_port(),
                ports: ports.collect(),
            }
        });
        destinations.collect()
    }

    fn addresses(&self) -> Bounds {
        let mut any = vec![IpAddr::from(Ipv4Addr::UNSPECIFIED)];
        any.extend(self.has_ipv6.then_some(IpAddr::from(Ipv6Addr::UNSPECIFIED)));
        let spread = |ip: &IpAddr| {
            let ip = *ip;
            let ports = self.ports.iter();
            ports.map(move |port| SocketAddr::new(ip, *port))
        };
        let services = self.shadows.iter().map(|(_, service)| *service);
        let services = services.chain(self.api_server);
        let open = services.flat_map(|service| {
            let ports = service.ports.iter();
            ports.flat_map(|port| [service.addresses(port), port.endpoints_in_any_state()].concat())
        });
        // At other ports nothing is looked at.
        let mut open: Vec<_> = open.filter(|at| self.ports.contains(&at.port())).collect();
        open.sort_unstable();
        open.dedup();
        Bounds::Addresses {
            watched: any.iter().flat_map(spread).collect(),
            open,
        }
    }
}

/// Whether some Pods of a target are behind a live Service. All are if that asks for no more labels; others are where it is
/// known of one.
fn is_live(
    name: &Namespaced,
    service: &UsedService<'_>,
    asked: &Asked<'_>,
    callers: &Callers,
    objects: &Objects,
) -> bool {
    let labels = service.selector();
    let first = Namespaced::new(&name.namespace, "");
    let here = objects.services.range(first..);
    let here = here.take_while(|(other, _)| other.namespace == name.namespace);
    let mut live = here.filter(|(other, _)| !asked.is_shadow(other));
    let has_all = live.any(|(_, other)| {
        let selector = &other.object.spec.selector;
        !selector.is_empty() && labels.is_some_and(|labels| has_all(labels, selector))
    });
    let has_some = || {
        let mut sets = callers.behind.iter();
        sets.any(|set| {
            let mut whole = set.iter().filter(|(_, subset)| subset.is_all());
            let is_in = set.iter().any(|(other, _)| other == name);
            is_in && whole.any(|(other, _)| !asked.is_shadow(other))
        })
    };
    has_all || has_some()
}

/// All numbers at which a Service may be reached over TCP, but those that only its endpoints tell.
fn numbers(service: &Service) -> impl Iterator<Item = u16> {
    let is_tcp = |transport: Option<&str>| matches!(transport, None | Some("" | "TCP"));
    let ports = service.spec.ports.iter();
    let ports = ports.filter(move |port| is_tcp(port.protocol.as_deref()));
    ports.flat_map(|port| {
        let target = match &port.target_port {
            Some(IntOrString::Int(number)) => u16::try_from(*number).ok(),
            Some(IntOrString::String(text)) => text.parse().ok(),
            None => None,
        };
        [Some(port.port), target, port.node_port]
            .into_iter()
            .flatten()
    })
}

fn is_ipv6(service: &Service) -> bool {
    let spec = &service.spec;
    let all = spec.cluster_ips.iter().chain(&spec.cluster_ip);
    all.chain(&spec.external_ips).any(|ip| ip.contains(':'))
}
