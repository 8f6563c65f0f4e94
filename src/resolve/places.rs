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
use super::services::{Services, TargetPort};
use crate::model::{Backend, Subset};
use crate::name::Namespaced;

/// Where requests to a port end up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place(usize);

/// The places of the HTTP ports of all Services that are named, and of the subsets that are targets.
#[derive(Debug, Default)]
pub(super) struct Places<'a> {
    whole: BTreeMap<&'a Namespaced, Vec<(NonZeroU16, Place)>>,
    parts: BTreeMap<Part, Place>,
}

/// What tells subsets apart.
type Part = (Namespaced, NonZeroU16, Subset);

fn part(backend: &Backend) -> Part {
    let Backend {
        service,
        port,
        subset,
        ..
    } = backend;
    (service.clone(), *port, subset.clone())
}

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
        let whole = services.iter().map(|(name, service)| {
            let ports = service.served_ports().map(|(port, backend)| {
                let mark = match service.selector() {
                    Some(labels) => {
                        Mark::Pods(&name.namespace, Cow::Borrowed(labels), port.target())
                    }
                    None => match port.endpoints_in_any_state() {
                        none if none.is_empty() => {
                            Mark::Port(name, backend.port, Subset::default())
                        }
                        endpoints => Mark::Endpoints(endpoints),
                    },
                };
                (backend.port, place(mark))
            });
            (name, ports.collect())
        });
        let whole = whole.collect();
        let claims = claims.values().flat_map(BTreeMap::values);
        let mirrors = claims.filter_map(|claim| claim.mirror.as_ref());
        let targets = mirrors.filter_map(|mirror| mirror.target.backend());
        let mut parts = BTreeMap::new();
        for target in targets.filter(|target| !target.subset.is_all()) {
            let Some((name, service)) = services.named(&target.service) else {
                continue;
            };
            let mut ports = service.served_ports();
            let Some((port, _)) = ports.find(|(_, served)| served.port == target.port) else {
                continue;
            };
            parts.entry(part(target)).or_insert_with(|| {
                let subset = &target.subset;
                let mark = match service.labels_of(subset) {
                    Some(labels) => Mark::Pods(&name.namespace, labels, port.target()),
                    None => match services.part(name, port, subset).in_any_state {
                        none if none.is_empty() => Mark::Port(name, target.port, subset.clone()),
                        endpoints => Mark::Endpoints(endpoints),
                    },
                };
                place(mark)
            });
        }
        Self { whole, parts }
    }

    /// The HTTP ports of a Service, each with its place.
    pub(super) fn of(&self, service: &Namespaced) -> &[(NonZeroU16, Place)] {
        self.whole.get(service).map_or(&[], Vec::as_slice)
    }

    /// The place of a backend, which is an HTTP port of one of the Services, or a subset that is a target.
    pub(super) fn at(&self, backend: &Backend) -> Option<Place> {
        match backend.subset.is_all() {
            true => self.around(backend),
            false => self.parts.get(&part(backend)).copied(),
        }
    }

    /// The place of all Pods of its Service.
    pub(super) fn around(&self, backend: &Backend) -> Option<Place> {
        let mut ports = self.of(&backend.service).iter();
        let found = ports.find(|(port, _)| *port == backend.port);
        found.map(|(_, place)| *place)
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
