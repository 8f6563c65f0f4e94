//! Where requests end up. A Service is but a name, and several names may lead to the same Pods.
//!
//! Which Pods are behind a Service is decided by what stays: its selector. Endpoints come and go, those of two Services
//! over the same Pods not at the same instant, and a mirror that came and went with them would flap on every sidecar
//! whenever Pods roll. So of two ports
//!
//! | Both Services have | the place is the same if |
//! |---|---|
//! | a selector | they are of one namespace, with equal selectors and the same target port |
//! | no selector | their endpoints, ready or not, are the same, and there are some |
//! | one a selector, the other none | never |
//!
//! Whoever writes endpoints by hand says what is behind, and changes it by hand. A target port that is a name is the same
//! as one of that name only: which number it has is known by the endpoints.
//!
//! A subset of a Service is as a Service whose selector has the labels of both.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::num::NonZeroU16;

use super::claims::PluginClaims;
use super::services::{Services, TargetPort, UsedPort, UsedService};
use crate::model::{Backend, Subset};
use crate::name::Namespaced;

/// Where requests to a port end up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place(usize);

/// The places of the HTTP ports of all Services that are named, and of all targets.
#[derive(Debug, Default)]
pub(super) struct Places<'a> {
    whole: BTreeMap<&'a Namespaced, Vec<(NonZeroU16, Place)>>,
    /// Those of targets that are not there: subsets, and ports with TLS.
    parts: BTreeMap<Part, Place>,
}

/// A port of a Service, of some of its Pods.
type Part = (Namespaced, NonZeroU16, Subset);

/// What tells places apart.
#[derive(PartialEq, Eq, Hash)]
enum Mark<'a> {
    /// The Pods with these labels in a namespace, and their port.
    Pods(&'a str, Cow<'a, BTreeMap<String, String>>, TargetPort<'a>),
    /// These endpoints, of which there are some.
    Endpoints(Vec<SocketAddr>),
    /// Nothing is known but the name.
    Port(&'a Namespaced, NonZeroU16, Subset),
}

impl<'a> Places<'a> {
    /// The places of these Services, and of the targets of these claims.
    pub(super) fn find(services: &Services<'a>, claims: &BTreeMap<&str, PluginClaims<'_>>) -> Self {
        let mut known: HashMap<Mark<'a>, Place> = HashMap::new();
        let mut place = |mark| {
            let added = Place(known.len());
            *known.entry(mark).or_insert(added)
        };
        let mark = |name: &'a Namespaced, service: &UsedService<'a>, port: &UsedPort<'a>, part| {
            let (number, subset): (NonZeroU16, &Subset) = part;
            if let Some(labels) = service.labels_of(subset) {
                return Mark::Pods(&name.namespace, labels, port.target());
            }
            let endpoints = match subset.is_all() {
                true => port.endpoints_in_any_state(),
                false => services.part(name, port, subset).in_any_state,
            };
            match endpoints.is_empty() {
                true => Mark::Port(name, number, subset.clone()),
                false => Mark::Endpoints(endpoints),
            }
        };
        let all = Subset::default();
        let whole = services.iter().map(|(name, service)| {
            let ports = service.served_ports().map(|(port, backend)| {
                let place = place(mark(name, service, port, (backend.port, &all)));
                (backend.port, place)
            });
            (name, ports.collect())
        });
        let whole = whole.collect();
        let claims = claims.values().flat_map(BTreeMap::values);
        let mirrors = claims.filter_map(|claim| claim.mirror.as_ref());
        let targets = mirrors.filter_map(|mirror| mirror.target.backend());
        let mut this = Self {
            whole,
            parts: BTreeMap::new(),
        };
        for target in targets {
            if target.subset.is_all() && this.around(target).is_some() {
                continue;
            }
            let named = services.named(&target.service);
            let Some((name, service)) = named else {
                continue;
            };
            let Some(port) = service.port_of(target) else {
                continue;
            };
            for subset in [&all, &target.subset] {
                let is_known = subset.is_all() && this.around(target).is_some();
                let part = (target.service.clone(), target.port, subset.clone());
                if !is_known && !this.parts.contains_key(&part) {
                    let mark = mark(name, service, port, (target.port, subset));
                    this.parts.insert(part, place(mark));
                }
            }
        }
        this
    }

    /// The HTTP ports of a Service, each with its place.
    pub(super) fn of(&self, service: &Namespaced) -> &[(NonZeroU16, Place)] {
        self.whole.get(service).map_or(&[], Vec::as_slice)
    }

    /// The place of a target.
    pub(super) fn at(&self, target: &Backend) -> Option<Place> {
        match target.subset.is_all() {
            true => self.around(target),
            false => self.part(target, &target.subset),
        }
    }

    /// The place of all Pods of its Service.
    pub(super) fn around(&self, target: &Backend) -> Option<Place> {
        let mut ports = self.of(&target.service).iter();
        let found = ports.find(|(port, _)| *port == target.port);
        let place = found.map(|(_, place)| *place);
        place.or_else(|| self.part(target, &Subset::default()))
    }

    fn part(&self, target: &Backend, subset: &Subset) -> Option<Place> {
        let part = (target.service.clone(), target.port, subset.clone());
        self.parts.get(&part).copied()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::Value;
    use serde_json::json;

    use super::Places;
    use crate::diag::Report;
    use crate::dialect::fixture::sourced;
    use crate::name::Namespaced;
    use crate::resolve::services::Services;
    use crate::source::Objects;

    /// Whether the only ports of two Services have the same place. Each is a namespace, a selector, a target port and the
    /// host of its only endpoint, if there is one; that is not ready.
    fn same(services: [(&str, Value, Value, Option<&str>); 2]) -> bool {
        let mut objects = Objects::default();
        let mut names = Vec::new();
        for (number, (namespace, selector, target, host)) in services.into_iter().enumerate() {
            let name = Namespaced::new(namespace, format!("s{number}"));
            let service = json!({
                "metadata": {},
                "spec": {"selector": selector, "ports": [{"port": 80 + number, "targetPort": target}]},
            });
            objects.services.insert(name.clone(), sourced(service));
            let endpoints =
                host.map(|host| json!({"addresses": [host], "conditions": {"ready": false}}));
            let slice = json!({
                "metadata": {"labels": {"kubernetes.io/service-name": name.name}}, "addressType": "IPv4",
                "endpoints": endpoints.into_iter().collect::<Vec<_>>(), "ports": [{"port": 8080}],
            });
            objects.endpoint_slices.insert(name.clone(), sourced(slice));
            names.push(name);
        }
        let services = Services::read(&objects, &names.iter().collect(), &mut Report::default());
        let places = Places::find(&services, &BTreeMap::new());
        let of = |name| places.of(name).iter().map(|(_, place)| *place);
        let all: BTreeSet<_> = names.iter().flat_map(of).collect();
        for name in &names {
            let backend = services.get(name).unwrap().http_ports().next().unwrap();
            assert!(of(name).eq(places.at(backend)));
        }
        all.len() == 1
    }

    #[test]
    fn selectors_decide_and_else_endpoints() {
        let none = || json!({});
        let app = || json!({"app": "x"});
        let version = || json!({"app": "x", "version": "v1"});
        let (number, name) = (|| json!(8080), || json!("web"));
        let (one, two) = (Some("10.0.0.1"), Some("10.0.0.2"));
        for (a, b, expected) in [
            (
                ("n", app(), number(), one),
                ("n", app(), number(), two),
                true,
            ),
            (
                ("n", app(), number(), one),
                ("n", app(), json!("8080"), None),
                true,
            ),
            (("n", app(), name(), None), ("n", app(), name(), None), true),
            (
                ("n", app(), name(), one),
                ("n", app(), number(), one),
                false,
            ),
            (
                ("n", app(), number(), one),
                ("n", app(), json!(8081), one),
                false,
            ),
            (
                ("n", app(), number(), one),
                ("m", app(), number(), one),
                false,
            ),
            (
                ("n", app(), number(), one),
                ("n", version(), number(), one),
                false,
            ),
            (
                ("n", app(), number(), one),
                ("n", none(), number(), one),
                false,
            ),
            (
                ("n", none(), number(), one),
                ("m", none(), name(), one),
                true,
            ),
            (
                ("n", none(), number(), one),
                ("n", none(), number(), two),
                false,
            ),
            (
                ("n", none(), number(), None),
                ("n", none(), number(), None),
                false,
            ),
        ] {
            let what = format!("{a:?} {b:?}");
            assert_eq!(same([a, b]), expected, "{what}");
        }
    }
}
