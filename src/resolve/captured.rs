//! Which destination port has which address, where capture is transparent: it knows its callers by nothing else.

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::SocketAddr;
use std::num::NonZeroU16;

use crate::diag::{Code, Diagnostic, FieldPath, Origin};
use crate::model::{Destination, Mirror, SIDECAR_PORTS};
use crate::name::Namespaced;

/// Requests to a port that are not mirrored although they were to be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Missed {
    /// The Service of the port.
    pub(super) service: Namespaced,
    port: NonZeroU16,
    reason: Reason,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reason {
    /// There is no address to look out for.
    NoAddress,
    /// The sidecar keeps the number for itself.
    SidecarPort(u16),
    /// Some address is one of this port of a Service as well, which has other mirrors.
    Shared(Namespaced, NonZeroU16),
}

/// Leaves each address with one port. A Service with virtual addresses precedes a headless one, which has those of its
/// Pods in common with every other Service in front of them; then the first by name, then the first port.
pub(super) fn settle(destinations: &mut [Destination]) -> BTreeSet<Missed> {
    let mut missed = BTreeSet::new();
    let mut holders: HashMap<SocketAddr, (Namespaced, NonZeroU16, Vec<Mirror>)> = HashMap::new();
    let (mut virtual_ones, mut headless) = (Vec::new(), Vec::new());
    for destination in destinations {
        match destination.cluster_ips.is_empty() {
            true => headless.push(destination),
            false => virtual_ones.push(destination),
        }
    }
    for destination in virtual_ones.into_iter().chain(headless) {
        for port in &mut destination.ports {
            let number = port.backend.port;
            let mut miss = |reason| {
                if !port.mirrors.is_empty() {
                    missed.insert(Missed {
                        service: destination.service.clone(),
                        port: number,
                        reason,
                    });
                }
            };
            if port.addresses.is_empty() {
                miss(Reason::NoAddress);
            }
            port.addresses.retain(|address| {
                if SIDECAR_PORTS.contains(&address.port()) {
                    miss(Reason::SidecarPort(address.port()));
                    return false;
                }
                match holders.entry(*address) {
                    Entry::Vacant(free) => {
                        let mirrors = port.mirrors.clone();
                        free.insert((destination.service.clone(), number, mirrors));
                        true
                    }
                    Entry::Occupied(held) => {
                        let (service, other, mirrors) = held.get();
                        if *mirrors != port.mirrors {
                            miss(Reason::Shared(service.clone(), *other));
                        }
                        false
                    }
                }
            });
        }
    }
    missed
}

impl Missed {
    /// What to say of it to the rule at `origin`, whose field `path` names the destination.
    pub(super) fn diagnostic(&self, origin: &Origin, path: FieldPath) -> Diagnostic {
        let Self {
            service,
            port,
            reason,
        } = self;
        let passes =
            "requests to it pass through and are not mirrored; primary traffic is not affected";
        match reason {
            Reason::NoAddress => Diagnostic::new(
                Code::NoAddress,
                origin,
                path,
                format!("port {port} of `{service}` has no address at which sidecars could capture requests"),
            )
            .effect(passes)
            .help("a headless Service is captured at the addresses of its endpoints; an ExternalName is not captured at all"),
            Reason::SidecarPort(number) => Diagnostic::new(
                Code::SidecarPort,
                origin,
                path,
                format!("port {port} of `{service}` is reached on port {number}, which sidecars keep for themselves"),
            )
            .effect(passes)
            .help("give the Service another port"),
            Reason::Shared(other, number) => Diagnostic::new(
                Code::SharedAddress,
                origin,
                path,
                format!("callers of `{service}:{port}` connect to addresses of `{other}:{number}`, and cannot be told from its own"),
            )
            .effect(format!(
                "their requests count as requests to `{other}`; primary traffic is not affected"
            ))
            .help("mirror one of them only, or give one of them virtual addresses"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Namespaced, settle};
    use crate::model::{
        Backend, Certainty, Destination, DestinationPort, Fraction, Mirror, Protocol,
    };

    /// A Service with these addresses at its only port, mirrored by a rule of this name.
    fn service(
        name: &str,
        is_headless: bool,
        rule: Option<&str>,
        addresses: &[&str],
    ) -> Destination {
        let service = Namespaced::new("n", name);
        let backend = Arc::new(Backend {
            service: service.clone(),
            port: 80.try_into().unwrap(),
            subset: Default::default(),
            protocol: Protocol::Http1,
            endpoints: Vec::new(),
        });
        let mirror = |rule| {
            Mirror::new(
                Namespaced::new("n", rule),
                Arc::clone(&backend),
                Fraction::ONE,
            )
        };
        // The target is the same for all, so that two mirrors differ by their rule.
        Destination {
            service,
            cluster_ips: if is_headless {
                vec![]
            } else {
                vec![[10, 96, 0, 1].into()]
            },
            local: false,
            default_port: None,
            ports: vec![DestinationPort {
                mirrors: rule
                    .map(mirror)
                    .into_iter()
                    .map(|mirror| Mirror {
                        target: target().into(),
                        ..mirror
                    })
                    .collect(),
                backend,
                addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
                certainty: Certainty::Said,
            }],
        }
    }

    fn target() -> Arc<Backend> {
        Arc::new(Backend {
            service: Namespaced::new("n", "target"),
            port: 80.try_into().unwrap(),
            subset: Default::default(),
            protocol: Protocol::Http1,
            endpoints: Vec::new(),
        })
    }

    fn settled(mut destinations: Vec<Destination>) -> (Vec<String>, Vec<String>) {
        let missed = settle(&mut destinations);
        let held = destinations.iter().flat_map(|each| {
            let addresses = each.ports.iter().flat_map(|port| &port.addresses);
            addresses.map(|address| format!("{} {address}", each.service.name))
        });
        let missed = missed
            .iter()
            .map(|one| format!("{} {:?}", one.service.name, one.reason));
        (
            held.collect(),
            missed
                .map(|text| text.split('(').next().unwrap().to_owned())
                .collect(),
        )
    }

    #[test]
    fn virtual_addresses_come_first_and_then_names() {
        let (held, missed) = settled(vec![
            service("a", true, Some("one"), &["10.0.0.1:80", "10.0.0.2:80"]),
            service("b", true, Some("two"), &["10.0.0.1:80", "10.0.0.3:80"]),
            service("c", false, Some("three"), &["10.0.0.2:80"]),
        ]);
        assert_eq!(held, ["a 10.0.0.1:80", "b 10.0.0.3:80", "c 10.0.0.2:80"]);
        assert_eq!(missed, ["a Shared", "b Shared"]);
    }

    #[test]
    fn nothing_is_said_where_no_mirror_is_lost() {
        let (held, missed) = settled(vec![
            service("a", true, Some("one"), &["10.0.0.1:80"]),
            service("b", true, Some("one"), &["10.0.0.1:80"]),
            service("c", true, None, &[]),
        ]);
        assert_eq!(held, ["a 10.0.0.1:80"]);
        assert!(missed.is_empty(), "{missed:?}");
        let (_, missed) = settled(vec![
            service("a", true, Some("one"), &["10.0.0.1:80"]),
            service("b", true, None, &["10.0.0.1:80"]),
        ]);
        assert!(missed.is_empty(), "{missed:?}");
    }

    #[test]
    fn what_cannot_be_captured_is_said() {
        let (held, missed) = settled(vec![
            service("a", true, Some("one"), &[]),
            service(
                "b",
                false,
                Some("two"),
                &["10.0.0.1:15001", "10.0.0.1:15021"],
            ),
        ]);
        assert!(held.is_empty());
        assert_eq!(missed, ["a NoAddress", "b SidecarPort", "b SidecarPort"]);
    }
}
