//! The groups: what each set of plugins comes to, for callers of a namespace.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;
use std::sync::Arc;

use super::callers::Callers;
use super::captured;
use super::captured::Missed;
use super::claims::{Claim, PluginClaims};
use super::crowded;
use super::graph;
use super::graph::{Cuts, Edge, Findings};
use super::places::Places;
use super::services::Services;
use super::unchanged::or_as_before;
use crate::diag::Report;
use crate::dialect::{PluginRole, Plugins};
use crate::model::{Capture, Destination, DestinationPort, Group, GroupId, Mirror, Model};
use crate::name::Namespaced;

/// What there is to choose from.
pub(super) struct Offers<'a> {
    /// The Plugins.
    pub(super) plugins: &'a Plugins<'a>,
    /// Who mirrors which destination, by plugin.
    pub(super) claims: &'a BTreeMap<&'a str, PluginClaims<'a>>,
    /// The Services.
    pub(super) services: &'a Services<'a>,
    /// Where their ports lead.
    pub(super) places: &'a Places<'a>,
}

/// The destinations of a set of plugins, with the claims on each in the order of the mirrors.
struct Offer<'a> {
    destinations: BTreeMap<&'a Namespaced, Vec<&'a Claim<'a>>>,
    namespaces: BTreeSet<&'a str>,
    cuts: Cuts<'a>,
}

impl<'a> Offers<'a> {
    /// Groups the nodes by what they get. `before` is how they were grouped.
    pub(super) fn model(
        &self,
        callers: &Arc<Callers>,
        default: Capture,
        before: &Grouped,
        report: &mut Report,
    ) -> (Model, Grouped) {
        let nothing = Offer {
            destinations: BTreeMap::new(),
            namespaces: BTreeSet::new(),
            cuts: Cuts::new(),
        };
        let fallback = id(default, None, &nothing);
        let mut groups = BTreeMap::new();
        let mut missed = BTreeSet::new();
        let group = self.group(default, None, &nothing, &mut missed);
        groups.insert(fallback.clone(), Arc::new(group));
        let mut findings = Findings::default();
        let offers = callers.sets.iter();
        let offers: Vec<_> = offers.map(|set| self.offer(set, &mut findings)).collect();
        findings.report(report);
        let mut ids: HashMap<(Capture, Option<&str>, usize), GroupId> = HashMap::new();
        let by_class = callers.classes.iter().map(|class| {
            let Some(offer) = offers.get(class.set) else {
                return fallback.clone();
            };
            let namespace = class.namespace.as_str();
            // Callers differ by namespace only if one of the destinations is in it.
            let home = Some(namespace).filter(|home| offer.namespaces.contains(home));
            let id = ids
                .entry((class.capture, home, class.set))
                .or_insert_with(|| {
                    let id = id(class.capture, home, offer);
                    let made = || Arc::new(self.group(class.capture, home, offer, &mut missed));
                    groups.entry(id.clone()).or_insert_with(made);
                    id
                });
            id.clone()
        });
        let by_class = by_class.collect();
        self.report(&missed, report);
        let grouped = before.then(callers, by_class);
        let model = Model {
            nodes: Arc::clone(&grouped.nodes),
            groups,
            fallback,
        };
        (model, grouped)
    }

    fn offer(&self, plugins: &BTreeSet<String>, findings: &mut Findings<'a>) -> Offer<'a> {
        let mut in_order: Vec<_> = plugins.iter().map(String::as_str).collect();
        in_order.sort_by(|a, b| self.priority(b).total_cmp(&self.priority(a)).then(a.cmp(b)));
        let mut destinations: BTreeMap<_, Vec<_>> = BTreeMap::new();
        let mut edges = Vec::new();
        for plugin in in_order {
            let priority = self.priority(plugin);
            for (destination, claim) in self.claims.get(plugin).into_iter().flatten() {
                destinations.entry(*destination).or_default().push(claim);
                edges.extend(claim.mirror.as_ref().map(|mirror| Edge {
                    destination,
                    claim,
                    mirror,
                    priority,
                }));
            }
        }
        let namespaces = destinations
            .keys()
            .map(|service| service.namespace.as_str())
            .collect();
        let mut cuts = graph::cut(edges, self.places, findings);
        for (destination, claims) in &destinations {
            crowded::cut(destination, claims, &mut cuts, findings);
        }
        Offer {
            destinations,
            namespaces,
            cuts,
        }
    }

    fn priority(&self, plugin: &str) -> f64 {
        match self.plugins.role(plugin) {
            Some(PluginRole::Mirror { priority }) => priority,
            _ => 0.0,
        }
    }

    /// Says which requests are not captured that were to be mirrored, to all rules that ask for it.
    fn report(&self, missed: &BTreeSet<Missed>, report: &mut Report) {
        for missed in missed {
            let claims = self.claims.values();
            let claims = claims.filter_map(|claims| claims.get(&missed.service));
            for claim in claims.filter(|claim| claim.mirror.is_some()) {
                report.push(missed.diagnostic(claim.origin, claim.path.clone()));
            }
        }
    }

    fn group(
        &self,
        capture: Capture,
        home: Option<&str>,
        offer: &Offer<'_>,
        missed: &mut BTreeSet<Missed>,
    ) -> Group {
        let destinations = offer.destinations.iter();
        let destinations = destinations.filter_map(|(name, claims)| {
            let service = self.services.get(name)?;
            let uncut = claims
                .iter()
                .filter(|claim| !offer.cuts.contains(&(*name, claim.rule)));
            let mirrors: Vec<Mirror> = uncut.filter_map(|claim| claim.mirror.clone()).collect();
            let ports = service
                .served_ports()
                .map(|(port, backend)| DestinationPort {
                    backend: Arc::clone(backend),
                    addresses: match capture {
                        Capture::Explicit(_) => Vec::new(),
                        Capture::Transparent => service.addresses(port),
                    },
                    certainty: port.certainty(),
                    mirrors: mirrors.clone(),
                });
            Some(Destination {
                service: (*name).clone(),
                cluster_ips: service.cluster_ips.clone(),
                local: home == Some(name.namespace.as_str()),
                default_port: service.default_port(),
                ports: ports.collect(),
            })
        });
        let mut destinations: Vec<_> = destinations.collect();
        if capture == Capture::Transparent {
            missed.extend(captured::settle(&mut destinations));
        }
        Group {
            capture,
            destinations,
        }
    }
}

/// How the nodes were grouped.
#[derive(Clone, Debug, Default)]
pub(super) struct Grouped {
    /// The nodes, if there ever were any.
    pub(super) callers: Option<Arc<Callers>>,
    /// The group of each class of them.
    by_class: Vec<GroupId>,
    /// The group of each of them.
    nodes: Arc<BTreeMap<Namespaced, GroupId>>,
}

impl Grouped {
    /// How they are grouped now. If that is the same, so is the map.
    fn then(&self, callers: &Arc<Callers>, by_class: Vec<GroupId>) -> Self {
        let is_same = |before| Arc::ptr_eq(before, callers);
        if self.callers.as_ref().is_some_and(is_same) && self.by_class == by_class {
            return self.clone();
        }
        let groups = callers
            .by_node
            .iter()
            .filter_map(|class| by_class.get(*class));
        let nodes = callers.names().into_iter().zip(groups.cloned());
        Self {
            callers: Some(Arc::clone(callers)),
            nodes: or_as_before(nodes.collect(), &self.nodes),
            by_class,
        }
    }
}

/// Names a group by who it is for and which rules apply, not by what they say: it outlives a change of a share, a target,
/// an endpoint or an order.
fn id(capture: Capture, home: Option<&str>, offer: &Offer<'_>) -> GroupId {
    let mut text = capture.to_string();
    for (destination, claims) in &offer.destinations {
        let place = if home == Some(destination.namespace.as_str()) {
            "local"
        } else {
            "remote"
        };
        let mut rules: Vec<_> = claims.iter().map(|claim| claim.rule).collect();
        rules.sort_unstable();
        write!(text, "\n{place} {destination}").expect("writing to a string does not fail");
        for rule in rules {
            write!(text, " {rule}").expect("writing to a string does not fail");
        }
    }
    GroupId::new(format!(
        "{:032x}",
        xxhash_rust::xxh3::xxh3_128(text.as_bytes())
    ))
}
