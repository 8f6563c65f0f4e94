//! The groups: what each set of plugins comes to, for callers of a namespace.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;
use std::sync::Arc;

use super::behind;
use super::callers::Callers;
use super::captured;
use super::captured::Missed;
use super::claims::{Claim, PluginClaims};
use super::crowded;
use super::graph;
use super::graph::{Cuts, Edge, Findings};
use super::places::Places;
use super::quarantine::{Held, Quarantines};
use super::services::Services;
use super::unchanged::or_as_before;
use crate::diag::Report;
use crate::dialect::{PluginRole, Plugins};
use crate::model::{
    Capture, Destination, DestinationPort, Group, GroupId, Mirror, Model, Strictness, Subset,
};
use crate::name::Namespaced;

/// What there is to choose from.
pub(super) struct Offers<'a> {
    /// Whether anything is mirrored at all.
    pub(super) is_on: bool,
    /// The Plugins.
    pub(super) plugins: &'a Plugins<'a>,
    /// Who mirrors which destination, by plugin.
    pub(super) claims: &'a BTreeMap<&'a str, PluginClaims<'a>>,
    /// The Services.
    pub(super) services: &'a Services<'a>,
    /// Where their ports lead.
    pub(super) places: &'a Places<'a>,
    /// Who only receives copies.
    pub(super) quarantines: &'a Quarantines<'a>,
}

/// The destinations of a set of plugins, with the claims on each in the order of the mirrors.
struct Offer<'a> {
    destinations: BTreeMap<&'a Namespaced, Vec<&'a Claim<'a>>>,
    namespaces: BTreeSet<&'a str>,
    cuts: Cuts<'a>,
}

impl<'a> Offer<'a> {
    fn claims(&self) -> impl Iterator<Item = (&'a Namespaced, &'a Claim<'a>)> {
        let destinations = self.destinations.iter();
        destinations.flat_map(|(name, claims)| claims.iter().map(|claim| (*name, *claim)))
    }

    /// The mirrors to targets that callers are behind themselves.
    fn own(&self, behind: &[(Namespaced, Subset)]) -> Cuts<'a> {
        if behind.is_empty() {
            return Cuts::new();
        }
        let own = self.claims().filter(|(_, claim)| {
            let mirror = claim.mirror.as_ref();
            let target = mirror.and_then(|mirror| mirror.target.backend());
            target.is_some_and(|target| {
                let mut behind = behind.iter();
                behind.any(|one| (&one.0, &one.1) == (&target.service, &target.subset))
            })
        });
        own.map(|(destination, claim)| (destination, claim.rule))
            .collect()
    }
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
        let no_own = Cuts::new();
        let fallback = id(default, None, &nothing, &no_own, None);
        let mut groups = BTreeMap::new();
        let mut missed = BTreeSet::new();
        let group = self.group(default, None, &nothing, &no_own, None, &mut missed);
        groups.insert(fallback.clone(), Arc::new(group));
        let mut findings = Findings::default();
        let offers = callers.sets.iter();
        let offers: Vec<_> = offers.map(|set| self.offer(set, &mut findings)).collect();
        let mut ids: HashMap<(Capture, Option<&str>, usize, usize), GroupId> = HashMap::new();
        let by_class = callers.classes.iter().map(|class| {
            let Some(offer) = offers.get(class.set) else {
                return fallback.clone();
            };
            let namespace = class.namespace.as_str();
            let held = self.quarantines.held(class.behind);
            // Callers differ by namespace only if one of the destinations is in it, or one of those to whom those in
            // quarantine may speak.
            let home =
                Some(namespace).filter(|home| held.is_some() || offer.namespaces.contains(home));
            let id = ids
                .entry((class.capture, home, class.set, class.behind))
                .or_insert_with(|| {
                    let behind = callers.behind.get(class.behind);
                    let own = offer.own(behind.map_or(&[], Vec::as_slice));
                    let id = id(class.capture, home, offer, &own, held);
                    let made = || {
                        Arc::new(self.group(class.capture, home, offer, &own, held, &mut missed))
                    };
                    groups.entry(id.clone()).or_insert_with(made);
                    self.report_own(offer, &own, &mut findings);
                    id
                });
            id.clone()
        });
        let by_class = by_class.collect();
        findings.report(report);
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
                let mirror = claim.mirror.as_ref().filter(|_| self.is_on);
                edges.extend(mirror.and_then(|mirror| {
                    let backend = mirror.target.backend()?;
                    Some(Edge {
                        destination,
                        claim,
                        mirror,
                        priority,
                        from: self.places.of(destination),
                        to: self.places.at(backend)?,
                        around: self.places.around(backend)?,
                    })
                }));
            }
        }
        let namespaces = destinations
            .keys()
            .map(|service| service.namespace.as_str())
            .collect();
        let mut cuts = graph::cut(edges, findings);
        if self.is_on {
            for (destination, claims) in &destinations {
                crowded::cut(destination, claims, &mut cuts, findings);
            }
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

    /// Says whose calls are not copied to themselves.
    fn report_own(&self, offer: &Offer<'a>, own: &Cuts<'_>, findings: &mut Findings<'a>) {
        if self.is_on && !own.is_empty() {
            for (destination, claim) in offer.claims() {
                if own.contains(&(destination, claim.rule)) {
                    behind::report(destination, claim, findings);
                }
            }
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
        own: &Cuts<'_>,
        held: Option<&Held>,
        missed: &mut BTreeSet<Missed>,
    ) -> Group {
        let quarantine =
            held.map(|held| (self.quarantines).model(held, capture, home.unwrap_or_default()));
        // Where nothing passes there is nothing to copy.
        let is_closed = held.is_some_and(|held| held.strictness == Strictness::Deny);
        let destinations = offer.destinations.iter().filter(|_| !is_closed);
        let destinations = destinations.filter_map(|(name, claims)| {
            let service = self.services.get(name)?;
            let is_kept = |claim: &&&Claim<'_>| {
                let mirror = (*name, claim.rule);
                self.is_on && !offer.cuts.contains(&mirror) && !own.contains(&mirror)
            };
            let kept = claims.iter().filter(is_kept);
            let mirrors: Vec<Mirror> = kept.filter_map(|claim| claim.mirror.clone()).collect();
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
            quarantine,
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
/// an endpoint or an order. `own` are the rules that apply to others only.
fn id(
    capture: Capture,
    home: Option<&str>,
    offer: &Offer<'_>,
    own: &Cuts<'_>,
    held: Option<&Held>,
) -> GroupId {
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
    for (destination, rule) in own {
        write!(text, "\nown {destination} {rule}").expect("writing to a string does not fail");
    }
    for rule in held.iter().flat_map(|held| &held.rules) {
        let home = home.unwrap_or_default();
        write!(text, "\nquarantine {home} {rule}").expect("writing to a string does not fail");
    }
    GroupId::new(format!(
        "{:032x}",
        xxhash_rust::xxh3::xxh3_128(text.as_bytes())
    ))
}
