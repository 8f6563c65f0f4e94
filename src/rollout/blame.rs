//! Which rules a change of a group comes from: models are compared, because the resources do not say.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashSet;
use std::collections::VecDeque;
use std::sync::Arc;

use super::board::Standing;
use super::status::Status;
use crate::model::Destination;
use crate::model::External;
use crate::model::Group;
use crate::model::GroupId;
use crate::model::Model;
use crate::model::Protocol;
use crate::model::ServerTls;
use crate::model::Target;
use crate::model::Terms;
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

type Groups = BTreeMap<GroupId, Arc<Group>>;

/// The models of what is rolled out, and of what each group has meanwhile.
#[derive(Debug, Default)]
pub struct Lineage {
    /// Those of worlds that the roll-out has not looked at yet, and of the last that it has.
    targets: VecDeque<(Arc<World>, Groups)>,
    good: Groups,
}

impl Lineage {
    /// A world of this model is going to be rolled out.
    pub fn targets(&mut self, world: &Arc<World>, model: &Model) {
        let groups = model.groups.clone();
        self.targets.push_back((Arc::clone(world), groups));
    }

    /// The roll-out stands like this. Groups that it does not hold back have what their model says.
    pub fn stands(&mut self, standing: &Standing) {
        let is_target = |(world, _): &(Arc<World>, Groups)| {
            let target = standing.target.as_ref();
            target.is_some_and(|target| Arc::ptr_eq(target, world))
        };
        let Some(index) = self.targets.iter().position(is_target) else {
            return;
        };
        self.targets.drain(..index);
        let Some((_, groups)) = self.targets.front() else {
            return;
        };
        let held: BTreeSet<_> = standing.rollouts.iter().map(|one| &one.group).collect();
        let sources: BTreeSet<_> = standing.rollouts.iter().flat_map(|one| &one.from).collect();
        for (id, group) in groups {
            if !held.contains(id) {
                self.good.insert(id.clone(), Arc::clone(group));
            }
        }
        self.good
            .retain(|id, _| groups.contains_key(id) || sources.contains(id));
    }

    /// What a change comes from; empty if it is none of the objects, but where sidecars listen.
    pub fn culprits(&self, rollout: &Status) -> BTreeSet<Culprit> {
        let target = self.targets.front();
        let new = target.and_then(|(_, groups)| groups.get(&rollout.group));
        let Some(new) = new else {
            return BTreeSet::new();
        };
        let old = rollout.from.iter().filter_map(|id| self.good.get(id));
        old.flat_map(|old| culprits(old, new)).collect()
    }
}

fn culprits(old: &Group, new: &Group) -> BTreeSet<Culprit> {
    let held = [&old.quarantine, &new.quarantine];
    let held = held.into_iter().flatten();
    let is_other = old.quarantine != new.quarantine;
    let held = held
        .filter(|_| is_other)
        .flat_map(|quarantine| &quarantine.rules);
    let held = held.map(|rule| Culprit::Rule(rule.clone()));
    let (old, new) = (by_service(old), by_service(new));
    let services: BTreeSet<_> = old.keys().chain(new.keys()).copied().collect();
    let of = |service| {
        let [old, new] = [&old, &new].map(|side| side.get(service).copied());
        changed(service, old, new)
    };
    services.into_iter().flat_map(of).chain(held).collect()
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
#[derive(PartialEq, Eq, Hash)]
struct Shape<'a> {
    port: u16,
    turn: usize,
    rule: &'a Namespaced,
    target: (
        String,
        Protocol,
        Option<&'a External>,
        Option<&'a ServerTls>,
    ),
    terms: &'a Terms,
}

fn mirrors(destination: Option<&Destination>) -> HashSet<Shape<'_>> {
    let ports = destination.into_iter().flat_map(|one| &one.ports);
    let mirrors = ports.flat_map(|port| {
        let mirrors = port.mirrors.iter().enumerate();
        mirrors.map(|(turn, mirror)| Shape {
            port: port.backend.port.get(),
            turn,
            rule: &mirror.rule,
            target: (
                mirror.target.to_string(),
                mirror.target.protocol(),
                match &mirror.target {
                    Target::Service { .. } => None,
                    Target::External(external) => Some(external),
                },
                match &mirror.target {
                    Target::Service { tls, .. } => tls.as_deref(),
                    Target::External(_) => None,
                },
            ),
            terms: &mirror.terms,
        })
    });
    mirrors.collect()
}

/// What the Service says of itself, without its endpoints.
fn frame(destination: &Destination) -> impl PartialEq {
    let ports = destination.ports.iter();
    let ports: Vec<_> = ports
        .map(|port| {
            let backend = (port.backend.port, port.backend.protocol);
            (backend, &port.addresses, port.certainty)
        })
        .collect();
    let Destination {
        cluster_ips,
        local,
        default_port,
        ..
    } = destination;
    (cluster_ips, *local, *default_port, ports)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;
    use std::sync::Arc;

    use super::Culprit;
    use super::Lineage;
    use crate::model::{
        Backend, Capture, Certainty, Destination, DestinationPort, Fraction, Group, GroupId,
        Mirror, Model, Protocol,
    };
    use crate::name::Namespaced;
    use crate::rollout::{Stage, Standing, Status};
    use crate::snapshot::World;

    fn backend(name: &str) -> Arc<Backend> {
        Arc::new(Backend {
            service: Namespaced::new("s", name),
            port: NonZeroU16::MIN,
            subset: Default::default(),
            protocol: Protocol::Http1,
            endpoints: Vec::new(),
        })
    }

    /// `RULE>TARGET` for each mirror of a destination.
    fn destination(name: &str, mirrors: &[&str]) -> Destination {
        let mirrors = mirrors.iter().map(|text| {
            let (rule, target) = text.split_once('>').unwrap();
            Mirror::new(Namespaced::new("r", rule), backend(target), Fraction::ONE)
        });
        Destination {
            service: Namespaced::new("s", name),
            cluster_ips: Vec::new(),
            local: false,
            default_port: None,
            ports: vec![DestinationPort {
                backend: backend(name),
                addresses: Vec::new(),
                certainty: Certainty::Said,
                mirrors: mirrors.collect(),
            }],
        }
    }

    fn model(id: &str, destinations: Vec<Destination>) -> (Arc<World>, Model) {
        let id = GroupId::new(id);
        let group = Group {
            capture: Capture::Explicit(([127, 0, 0, 1], 1).into()),
            destinations,
            quarantine: None,
        };
        let model = Model {
            nodes: Arc::default(),
            groups: [(id.clone(), Arc::new(group))].into(),
            fallback: id,
        };
        (crate::rollout::scene::world("", ""), model)
    }

    fn standing(world: &Arc<World>, rollouts: &[Status]) -> Standing {
        Standing {
            target: Some(Arc::clone(world)),
            rollouts: rollouts.to_vec(),
        }
    }

    fn status(group: &str, from: &str) -> Status {
        Status {
            group: GroupId::new(group),
            from: [GroupId::new(from)].into(),
            changes: Default::default(),
            sidecars: 3,
            canaries: Vec::new(),
            stage: Stage::Trying,
        }
    }

    #[test]
    fn a_change_comes_from_the_rules_that_differ_or_from_the_service() {
        let good = || {
            vec![
                destination("a", &["x>a2"]),
                destination("b", &["y>b2", "z>b3"]),
            ]
        };
        let rule = |name| Culprit::Rule(Namespaced::new("r", name));
        let service = |name| Culprit::Service(Namespaced::new("s", name));
        let mut less = good();
        less[0].ports[0].mirrors[0].fraction = Fraction::SMALLEST;
        let mut elsewhere = good();
        elsewhere[1].local = true;
        for (next, expected) in [
            (less, vec![]),
            (elsewhere, vec![service("b")]),
            (
                vec![
                    destination("a", &["x>a3"]),
                    destination("b", &["y>b2", "z>b3"]),
                ],
                vec![rule("x")],
            ),
            (
                vec![destination("a", &[]), destination("b", &["z>b3", "y>b2"])],
                vec![rule("x"), rule("y"), rule("z")],
            ),
            (vec![destination("b", &["y>b2", "z>b3"])], vec![rule("x")]),
            (
                [
                    good(),
                    vec![destination("c", &["w>c2"]), destination("d", &[])],
                ]
                .concat(),
                vec![rule("w"), service("d")],
            ),
        ] {
            // The group may be called otherwise afterwards.
            for id in ["g", "h"] {
                let mut lineage = Lineage::default();
                let (world, model) = model("g", good());
                lineage.targets(&world, &model);
                lineage.stands(&standing(&world, &[]));
                let (world, model) = self::model(id, next.clone());
                lineage.targets(&world, &model);
                let held = [status(id, "g")];
                for _ in 0..2 {
                    lineage.stands(&standing(&world, &held));
                    let culprits = lineage.culprits(&held[0]);
                    assert!(
                        culprits.iter().eq(&expected),
                        "{culprits:?}, not {expected:?}"
                    );
                }
                lineage.stands(&standing(&world, &[]));
                let then = [status(id, id)];
                assert!(lineage.culprits(&then[0]).is_empty(), "it is good now");
            }
        }
    }

    #[test]
    fn what_the_roll_out_has_not_seen_yet_is_not_taken_for_good() {
        let mut lineage = Lineage::default();
        let (first, one) = model("g", vec![destination("a", &["x>a2"])]);
        let (second, two) = model("g", vec![destination("a", &["y>a2"])]);
        lineage.targets(&first, &one);
        lineage.targets(&second, &two);
        lineage.stands(&standing(&first, &[]));
        let held = [status("g", "g")];
        assert!(lineage.culprits(&held[0]).is_empty());
        lineage.stands(&standing(&second, &held));
        assert_eq!(lineage.culprits(&held[0]).len(), 2, "x and y");
    }
}
