//! The Services that some rule names, with their ports and endpoints.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::rc::Rc;
use std::sync::Arc;

use super::addresses;
use super::endpoints;
use super::endpoints::{Endpoints, SlicesByService};
use super::parts::Part;
use super::protocol;
use crate::api::core::{IntOrString, Service, ServicePort};
use crate::diag::{Report, nearest};
use crate::dialect::MirrorRule;
use crate::model::{Backend, Certainty, Subset};
use crate::name::Namespaced;
use crate::source::Objects;

/// The Services that are named and exist.
pub(super) struct Services<'a> {
    objects: &'a Objects,
    used: BTreeMap<&'a Namespaced, UsedService<'a>>,
}

/// A Service that some rule names.
pub(super) struct UsedService<'a> {
    /// The object.
    service: &'a Service,
    /// Its virtual addresses.
    pub(super) cluster_ips: Vec<IpAddr>,
    /// Its ports, in its own order.
    pub(super) ports: Vec<UsedPort<'a>>,
    /// Whether anybody says where it is served, even if nowhere.
    pub(super) has_slices: bool,
}

/// The port of the Pods behind a port, as the Service calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum TargetPort<'a> {
    /// By its number.
    Number(i64),
    /// By its name in the Pods.
    Name(&'a str),
}

/// A port of a [`UsedService`].
pub(super) struct UsedPort<'a> {
    port: &'a ServicePort,
    served_by: Rc<Endpoints<'a>>,
    /// Where its requests go, or why it is not HTTP.
    pub(super) backend: Result<Arc<Backend>, String>,
}

impl<'a> Services<'a> {
    /// Looks up the Services of these names, and the endpoints behind them.
    pub(super) fn read(
        objects: &'a Objects,
        names: &BTreeSet<&Namespaced>,
        report: &mut Report,
    ) -> Self {
        let slices = endpoints::by_service(objects);
        let found = names
            .iter()
            .filter_map(|name| objects.services.get_key_value(*name));
        let used = found
            .map(|(name, service)| {
                (
                    name,
                    UsedService::read(name, &service.object, &slices, report),
                )
            })
            .collect();
        Self { objects, used }
    }

    /// All that are named and exist, by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'a Namespaced, &UsedService<'a>)> {
        self.used.iter().map(|(name, service)| (*name, service))
    }

    /// The Service of this name with the name, if it exists.
    pub(super) fn named(&self, name: &Namespaced) -> Option<(&'a Namespaced, &UsedService<'a>)> {
        let found = self.used.get_key_value(name);
        found.map(|(name, service)| (*name, service))
    }

    /// The Service of this name, if it exists.
    pub(super) fn get(&self, name: &Namespaced) -> Option<&UsedService<'a>> {
        self.used.get(name)
    }

    /// The endpoints of a port of a Service that are of a subset of its Pods.
    pub(super) fn part(&self, name: &Namespaced, port: &UsedPort<'_>, subset: &Subset) -> Part {
        let endpoints = port.served_by.behind(port.name());
        Part::of(endpoints, subset, &name.namespace, self.objects)
    }

    /// What the user may have meant by the name of a Service that does not exist: none that the rule names as well, for
    /// nobody mirrors a Service to itself.
    pub(super) fn meant_by(
        &self,
        name: &Namespaced,
        rule: &MirrorRule<'_>,
    ) -> Option<&'a Namespaced> {
        let services = &self.objects.services;
        let is_named = |service: &Namespaced| {
            let target = rule.spec.iter().filter_map(|spec| spec.target.service());
            let destinations = rule.destinations.iter().map(|to| &to.service);
            target.chain(destinations).any(|named| named == service)
        };
        let first = Namespaced::new(&name.namespace, "");
        let here = services.range(first..).map(|(service, _)| service);
        let here = here
            .take_while(|service| service.namespace == name.namespace)
            .filter(|service| !is_named(service));
        let near = nearest(&name.name, here.map(|service| service.name.as_str()));
        match near {
            Some(near) => {
                let meant = Namespaced::new(&name.namespace, near);
                services.get_key_value(&meant).map(|(meant, _)| meant)
            }
            None => services
                .keys()
                .find(|service| service.name == name.name && !is_named(service)),
        }
    }
}

impl<'a> UsedService<'a> {
    fn read(
        name: &Namespaced,
        service: &'a Service,
        slices: &SlicesByService<'a>,
        report: &mut Report,
    ) -> Self {
        let slices = slices.get(name).map_or(&[][..], Vec::as_slice);
        let endpoints = Rc::new(Endpoints::read(slices, report));
        let mut taken = BTreeSet::new();
        let ports = service.spec.ports.iter().map(|port| {
            let backend = backend(name, port, &endpoints).and_then(|backend| {
                // TCP and UDP may share a number; two that are HTTP would be one and the same to callers.
                let is_first = taken.insert(backend.port);
                is_first
                    .then_some(backend)
                    .ok_or_else(|| "an earlier port has its number".to_owned())
            });
            UsedPort {
                port,
                backend: backend.map(Arc::new),
                served_by: Rc::clone(&endpoints),
            }
        });
        let ports = ports.collect();
        Self {
            service,
            cluster_ips: addresses::cluster_ips(service),
            has_slices: !slices.is_empty(),
            ports,
        }
    }

    /// The labels of the Pods behind it, if it says.
    pub(super) fn selector(&self) -> Option<&'a BTreeMap<String, String>> {
        let spec = &self.service.spec;
        let is_alias = spec.kind.as_deref() == Some("ExternalName");
        Some(&spec.selector).filter(|labels| !is_alias && !labels.is_empty())
    }

    /// The labels of the Pods of a subset, if it says which Pods are behind it and there can be any.
    pub(super) fn labels_of(&self, subset: &Subset) -> Option<Cow<'a, BTreeMap<String, String>>> {
        let selector = self.selector()?;
        if subset.is_all() {
            return Some(Cow::Borrowed(selector));
        }
        let mut labels = selector.clone();
        for (key, value) in &subset.0 {
            let selected = labels.entry(key.clone()).or_insert_with(|| value.clone());
            if selected != value {
                return None;
            }
        }
        Some(Cow::Owned(labels))
    }

    /// Its HTTP ports, in its own order.
    pub(super) fn http_ports(&self) -> impl Iterator<Item = &Arc<Backend>> {
        self.ports
            .iter()
            .filter_map(|port| port.backend.as_ref().ok())
    }

    /// The same, with the ports that they are.
    pub(super) fn served_ports(&self) -> impl Iterator<Item = (&UsedPort<'a>, &Arc<Backend>)> {
        self.ports
            .iter()
            .filter_map(|port| Some((port, port.backend.as_ref().ok()?)))
    }

    /// The port that a backend, which may be a target, is of.
    pub(super) fn port_of(&self, backend: &Backend) -> Option<&UsedPort<'a>> {
        let mut ports = self.ports.iter();
        ports.find(|port| {
            port.has_number(backend.port) && (port.backend.is_ok() || port.is_within_tls())
        })
    }

    /// The addresses to which callers of a port connect, sorted, none twice.
    pub(super) fn addresses(&self, port: &UsedPort<'_>) -> Vec<SocketAddr> {
        addresses::of(self.service, port.port, &port.served_by)
    }

    /// The port of a request that names none; `None` if that is not HTTP.
    pub(super) fn default_port(&self) -> Option<NonZeroU16> {
        let http = NonZeroU16::new(80)?;
        let mut numbers = self.http_ports().map(|backend| backend.port);
        if self.ports.iter().any(|port| port.has_number(http)) {
            return numbers.find(|number| *number == http);
        }
        numbers.next()
    }
}

impl<'a> UsedPort<'a> {
    /// What the Service calls it; empty if it has no name.
    fn name(&self) -> &'a str {
        self.port.name.as_deref().unwrap_or_default()
    }

    /// The port of its Pods.
    pub(super) fn target(&self) -> TargetPort<'a> {
        match &self.port.target_port {
            None => TargetPort::Number(self.port.port.into()),
            Some(IntOrString::Int(number)) => TargetPort::Number(*number),
            Some(IntOrString::String(text)) => match text.parse() {
                Ok(number) => TargetPort::Number(number),
                Err(_) => TargetPort::Name(text),
            },
        }
    }

    /// Its endpoints, also those that are not ready, sorted, none twice.
    pub(super) fn endpoints_in_any_state(&self) -> Vec<SocketAddr> {
        self.served_by.in_any_state(self.name())
    }

    /// Whether it says that it speaks TLS, and HTTP within.
    pub(super) fn is_within_tls(&self) -> bool {
        protocol::within_tls(self.port).is_some()
    }

    /// Whether it says that it speaks HTTP without TLS.
    pub(super) fn is_plain(&self) -> bool {
        protocol::is_plain(self.port)
    }

    /// Where copies for it go, which is a port of this Service, if it says that it speaks TLS.
    pub(super) fn within_tls(&self, service: &Namespaced) -> Option<Backend> {
        Some(Backend {
            service: service.clone(),
            port: NonZeroU16::new(self.port.port)?,
            subset: Subset::default(),
            protocol: protocol::within_tls(self.port)?,
            endpoints: self.served_by.of_port(self.name()),
        })
    }

    /// How it is known that it is HTTP, if it is.
    pub(super) fn certainty(&self) -> Certainty {
        protocol::certainty(self.port)
    }

    /// What is to be done if it has no endpoints.
    pub(super) fn help_if_empty(&self, service: &Namespaced) -> String {
        self.served_by.help_if_empty(service, self.name())
    }

    /// Whether it is called by this number.
    pub(super) fn has_number(&self, number: NonZeroU16) -> bool {
        self.port.port == number.get()
    }

    /// Whether it is called by this name.
    pub(super) fn has_name(&self, name: &str) -> bool {
        self.port.name.as_deref() == Some(name)
    }

    /// Whether its Pods serve it on this number: the target port says so, or, if that is a name, the endpoints do.
    pub(super) fn has_target_number(&self, number: NonZeroU16) -> bool {
        match &self.port.target_port {
            Some(IntOrString::Int(target)) => *target == i64::from(number.get()),
            Some(IntOrString::String(target)) => {
                target.parse() == Ok(number) || self.served_by.are_on(self.name(), number.get())
            }
            None => false,
        }
    }

    /// Whether its target port is called by this name.
    pub(super) fn has_target_name(&self, name: &str) -> bool {
        matches!(&self.port.target_port, Some(IntOrString::String(target)) if target == name)
    }
}

/// `8080 (http)`, or `8080` if it has no name.
impl fmt::Display for UsedPort<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            "" => write!(f, "{}", self.port.port),
            name => write!(f, "{} ({name})", self.port.port),
        }
    }
}

fn backend(
    service: &Namespaced,
    port: &ServicePort,
    endpoints: &Endpoints<'_>,
) -> Result<Backend, String> {
    let number = NonZeroU16::new(port.port).ok_or("its number is 0")?;
    Ok(Backend {
        service: service.clone(),
        port: number,
        subset: Subset::default(),
        protocol: protocol::of(port)?,
        endpoints: endpoints.of_port(port.name.as_deref().unwrap_or_default()),
    })
}
