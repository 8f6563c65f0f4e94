//! Which rules a change of a group comes from: models are compared, because the resources do not say.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::VecDeque;
use std::sync::Arc;

use super::board::Standing;
use super::status::Status;
use crate::model::Destination;
use crate::model::Group;
use crate::model::GroupId;
use crate::model::Model;
use crate::model::Protocol;
use crate::name::Namespaced;
use crate::snapshot::World;

/// An object that a change comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Culprit {
    /// The PluginConfig of a mirror.
    Rule(Namespaced),
    /// The Service of a destination.
    Service(Namespaced),
}

/// The models of what is rolled out, and of what each group has meanwhile.
#[derive(Debug, Default)]
pub struct Lineage {
    /// Worlds that the roll-out has not looked at yet, and the last that it has.
    models: VecDeque<(Arc<World>, Model)>,
    good: BTreeMap<GroupId, Arc<Group>>,
}

impl Lineage {
    /// A world of this model is going to be rolled out.
    pub fn targets(&mut self, world: &Arc<World>, model: &Model) {
        self.models.push_back((Arc::clone(world), model.clone()));
    }

    /// The roll-out stands like this. Groups that it does not hold back have what their model says.
    pub fn stands(&mut self, standing: &Standing) {
        let is_target = |(world, _): &(Arc<World>, Model)| {
            let target = standing.target.as_ref();
            target.is_some_and(|target| Arc::ptr_eq(target, world))
        };
        let Some(index) = self.models.iter().position(is_target) else {
            return;
        };
        self.models.drain(..index);
        let Some((_, model)) = self.models.front() else {
            return;
        };
        let held: BTreeSet<_> = standing.rollouts.iter().map(|one| &one.group).collect();
        let sources: BTreeSet<_> = standing.rollouts.iter().flat_map(|one| &one.from).collect();
        for (id, group) in &model.groups {
            if !held.contains(id) {
                self.good.insert(id.clone(), Arc::clone(group));
            }
        }
        self.good
            .retain(|id, _| model.groups.contains_key(id) || sources.contains(id));
    }

    /// What a change comes from; empty if it is none of the objects, but where sidecars listen.
    pub fn culprits(&self, rollout: &Status) -> BTreeSet<Culprit> {
        let model = self.models.front().map(|(_, model)| model);
        let new = model.and_then(|model| model.groups.get(&rollout.group));
        let old = rollout.from.iter().filter_map(|id| self.good.get(id));
        old.zip(std::iter::repeat(new))
            .filter_map(|(old, new)| Some(culprits(old, new?)))
            .flatten()
            .collect()
    }
}

fn culprits(old: &Group, new: &Group) -> BTreeSet<Culprit> {
    let (old, new) = (by_service(old), by_service(new));
    let services: BTreeSet<_> = old.keys().chain(new.keys()).copied().collect();
    let of = |service| {
        let [old, new] = [&old, &new].map(|side| side.get(service).copied());
        changed(service, old, new)
    };
    services.into_iter().flat_map(of).collect()
}

fn by_service(group: &Group) -> BTreeMap<&Namespaced, &Destination> {
    let destinations = group.destinations.iter();
    destinations.map(|one| (&one.service, one)).collect()
}

/// What is different about a destination: its mirrors, or else the Service itself.
fn changed(
    service: &Namespaced,
    old: Option<&Destination>,
    new: Option<&Destination>,
) -> BTreeSet<Culprit> {
    let (before, after) = (mirrors(old), mirrors(new));
    let rules = before.symmetric_difference(&after);
    let mut culprits: BTreeSet<_> = rules
        .map(|mirror| Culprit::Rule(mirror.rule.clone()))
        .collect();
    let itself = match (old, new) {
        (Some(old), Some(new)) => frame(old) != frame(new),
        _ => culprits.is_empty(),
    };
    culprits.extend(itself.then(|| Culprit::Service(service.clone())));
    culprits
}

/// A mirror without what reaches everyone at once: the share and the endpoints.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Shape<'a> {
    port: u16,
    turn: usize,
    rule: &'a Namespaced,
    target: (&'a Namespaced, u16, Protocol),
}

fn mirrors(destination: Option<&Destination>) -> BTreeSet<Shape<'_>> {
    let ports = destination.into_iter().flat_map(|one| &one.ports);
    let mirrors = ports.flat_map(|port| {
        let mirrors = port.mirrors.iter().enumerate();
        mirrors.map(|(turn, mirror)| Shape {
            port: port.backend.port.get(),
            turn,
            rule: &mirror.rule,
            target: (
                &mirror.target.service,
                mirror.target.port.get(),
                mirror.target.protocol,
            ),
        })
    });
    mirrors.collect()
}

/// What the Service says of itself, without its endpoints.
fn frame(destination: &Destination) -> impl PartialEq {
    let ports = destination.ports.iter();
    let ports: Vec<_> = ports
        .map(|port| (port.backend.port, port.backend.protocol))
        .collect();
    let Destination {
        cluster_ips,
        local,
        default_port,
        ..
    } = destination;
    (cluster_ips, *local, *default_port, ports)
}
