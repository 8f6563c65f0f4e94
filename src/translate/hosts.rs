//! The forms in which a request may name a destination in its Host, and what the copy's Host becomes.
//!
//! A form is matched as a whole and not by a pattern: the copy's Host is a literal of the form it came in.

use std::net::IpAddr;

use crate::model::{Destination, DestinationPort};
use crate::name::Namespaced;

/// What may follow `SERVICE.NAMESPACE`. The last one is a fully qualified name in the sense of DNS.
const SUFFIXES: [&str; 5] = [
    "",
    ".svc",
    ".svc.cluster",
    ".svc.cluster.local",
    ".svc.cluster.local.",
];

/// One Host of a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostForm {
    /// The Host as the caller writes it, in lower case, with its port if it has one.
    pub host: String,
    /// What follows the Service's name; `None` if the form is an address.
    after_name: Option<String>,
}

impl HostForm {
    /// Whatever no other form matches. It names nobody.
    pub fn any() -> Self {
        Self {
            host: "*".to_owned(),
            after_name: None,
        }
    }

    /// The Host of a copy to `target`: the Service's name is replaced and the rest is kept, so that the target is named
    /// in the form that the caller chose. `None` leaves the Host as it is: an address says nothing about a name.
    pub fn of_copy(&self, target: &Namespaced) -> Option<String> {
        self.after_name
            .as_ref()
            .map(|rest| format!("{}{rest}", target.name.to_ascii_lowercase()))
    }
}

/// The forms of one port of a destination: with the port, and for the default port also without.
pub fn forms(destination: &Destination, port: &DestinationPort) -> Vec<HostForm> {
    let number = port.backend.port;
    let ports = match destination.default_port == Some(number) {
        true => vec![String::new(), format!(":{number}")],
        false => vec![format!(":{number}")],
    };
    let mut forms = named(destination, &ports);
    for ip in &destination.cluster_ips {
        forms.extend(ports.iter().map(|port| HostForm {
            host: format!("{}{port}", bracketed(*ip)),
            after_name: None,
        }));
    }
    forms
}

/// The forms by name in requests that are known to be for this port: with it and without.
pub fn names(destination: &Destination, port: &DestinationPort) -> Vec<HostForm> {
    named(
        destination,
        &[String::new(), format!(":{}", port.backend.port)],
    )
}

fn named(destination: &Destination, ports: &[String]) -> Vec<HostForm> {
    let Namespaced { namespace, name } = &destination.service;
    let (name, namespace) = (name.to_ascii_lowercase(), namespace.to_ascii_lowercase());
    let alone = destination.local.then(String::new);
    let qualified = SUFFIXES.map(|suffix| format!(".{namespace}{suffix}"));
    let mut forms = Vec::new();
    for rest in alone.into_iter().chain(qualified) {
        forms.extend(ports.iter().map(|port| HostForm {
            host: format!("{name}{rest}{port}"),
            after_name: Some(format!("{rest}{port}")),
        }));
    }
    forms
}

fn bracketed(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;
    use std::sync::Arc;

    use super::forms;
    use crate::model::{Backend, Certainty, Destination, DestinationPort, Protocol};
    use crate::name::Namespaced;

    fn hosts(local: bool, port: u16, default_port: u16, ips: &[&str]) -> Vec<String> {
        let service = Namespaced::new("Pipy", "ok-V1");
        let number = |port: u16| NonZeroU16::new(port).unwrap();
        let port = DestinationPort {
            backend: Arc::new(Backend {
                service: service.clone(),
                port: number(port),
                subset: Default::default(),
                protocol: Protocol::Http1,
                endpoints: Vec::new(),
            }),
            addresses: Vec::new(),
            certainty: Certainty::Said,
            mirrors: Vec::new(),
        };
        let destination = Destination {
            service,
            cluster_ips: ips.iter().map(|ip| ip.parse().unwrap()).collect(),
            local,
            default_port: Some(number(default_port)),
            ports: vec![port.clone()],
        };
        let target = Namespaced::new("other", "ok-V2");
        forms(&destination, &port)
            .iter()
            .map(|form| match form.of_copy(&target) {
                Some(copy) => format!("{} > {copy}", form.host),
                None => form.host.clone(),
            })
            .collect()
    }

    #[test]
    fn only_the_default_port_may_be_left_out() {
        assert_eq!(
            hosts(false, 80, 8080, &[]),
            [
                "ok-v1.pipy:80 > ok-v2.pipy:80",
                "ok-v1.pipy.svc:80 > ok-v2.pipy.svc:80",
                "ok-v1.pipy.svc.cluster:80 > ok-v2.pipy.svc.cluster:80",
                "ok-v1.pipy.svc.cluster.local:80 > ok-v2.pipy.svc.cluster.local:80",
                "ok-v1.pipy.svc.cluster.local.:80 > ok-v2.pipy.svc.cluster.local.:80",
            ]
        );
        assert_eq!(hosts(false, 80, 80, &[]).len(), 10);
    }

    #[test]
    fn only_callers_of_the_namespace_use_the_name_alone() {
        assert_eq!(
            hosts(true, 80, 80, &[]).first().map(String::as_str),
            Some("ok-v1 > ok-v2")
        );
    }

    #[test]
    fn an_address_stays_the_host_of_the_copy() {
        let forms = hosts(false, 80, 80, &["10.0.0.1", "fd00::1"]);
        assert_eq!(
            forms[10..],
            ["10.0.0.1", "10.0.0.1:80", "[fd00::1]", "[fd00::1]:80"]
        );
    }
}
