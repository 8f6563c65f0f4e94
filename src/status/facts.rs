//! What a status is made of: what the control plane knows at a moment.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::brake::Progress as RampProgress;
use crate::diag::Diagnostic;
use crate::model::Blown;
use crate::model::Fraction;
use crate::model::Gated;
use crate::model::GroupId;
use crate::model::Mirror;
use crate::model::Model;
use crate::model::Rate;
use crate::model::Watched;
use crate::name::Namespaced;
use crate::rollout::Stage;
use crate::rollout::Status;
use crate::server::Progress;
use crate::server::Sidecar;
use crate::source::State;

/// A configuration that is served, and all there is to say about it.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The objects.
    pub state: Arc<State>,
    /// Everything that is said about them, by whichever stage.
    pub report: Arc<[Diagnostic]>,
    /// What they come to.
    pub model: Arc<Model>,
    /// How far ramps are.
    pub ramps: Arc<BTreeMap<Namespaced, RampProgress>>,
    /// The budgets, and which of them were exceeded.
    pub budgets: Arc<BTreeMap<Namespaced, (Watched, Option<Blown>)>>,
    /// How many copies there may be in a second, and the shares for that.
    pub rates: Arc<BTreeMap<Namespaced, Rate>>,
    /// About how many calls were refused for the rules that ask for a quarantine, by the sidecars of this control plane.
    pub refused: Arc<BTreeMap<Namespaced, u64>>,
    /// The changes that are not everywhere.
    pub rollouts: Vec<Status>,
}

/// How far a rule is on the sidecars that it is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Spread {
    /// Connected sidecars that it is for.
    pub(super) desired: usize,
    /// Those of them that have it.
    pub(super) programmed: usize,
    /// What the first of those that reject it says, and which one that is.
    pub(super) rejected: Option<(Arc<str>, String)>,
}

/// A rule that is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Served {
    /// The target, as it is written.
    pub(super) target: String,
    /// How much is mirrored.
    pub(super) share: Fraction,
    /// Which of the sidecars have it.
    pub(super) spread: Spread,
}

impl Facts {
    /// The rules that are served for any group of sidecars, by the name of their PluginConfig.
    pub(super) fn served(&self, sidecars: &[Sidecar]) -> BTreeMap<Namespaced, Served> {
        let by_group = self.by_group(sidecars);
        let mut served: BTreeMap<Namespaced, Served> = BTreeMap::new();
        for (id, group) in &self.model.groups {
            let ports = group.destinations.iter().flat_map(|one| &one.ports);
            let mirrors: BTreeMap<&Namespaced, &Mirror> = ports
                .flat_map(|port| &port.mirrors)
                .map(|mirror| (&mirror.rule, mirror))
                .collect();
            for (rule, mirror) in mirrors {
                let spread = by_group.get(id).cloned().unwrap_or_default();
                let entry = served.entry(rule.clone()).or_insert_with(|| Served {
                    target: mirror.target.to_string(),
                    share: mirror.fraction,
                    spread: Spread::default(),
                });
                entry.spread.add(&spread);
            }
        }
        served
    }

    /// The steps with gates that ramps are in.
    pub(super) fn gated(&self) -> impl Iterator<Item = (&Namespaced, Gated)> {
        let ramps = self.ramps.iter();
        ramps.filter_map(|(rule, progress)| Some((rule, progress.gated?)))
    }

    /// The generation of a PluginConfig; 0 if it has none.
    pub(super) fn generation(&self, rule: &Namespaced) -> i64 {
        let config = self.state.objects.plugin_configs.get(rule);
        let generation = config.and_then(|config| config.object.metadata.generation);
        generation.unwrap_or_default()
    }

    fn by_group(&self, sidecars: &[Sidecar]) -> BTreeMap<&GroupId, Spread> {
        let trying: BTreeMap<&GroupId, BTreeSet<&str>> = self
            .rollouts
            .iter()
            .filter(|rollout| rollout.stage == Stage::Trying)
            .map(|rollout| {
                let canaries = rollout.canaries.iter().map(|one| &*one.node);
                (&rollout.group, canaries.collect())
            })
            .collect();
        let mut spreads: BTreeMap<&GroupId, Spread> = BTreeMap::new();
        for sidecar in sidecars {
            let Ok(node) = sidecar.node.parse::<Namespaced>() else {
                continue;
            };
            let group = self.model.group_of(&node);
            let spread = spreads.entry(group).or_default();
            spread.desired += 1;
            // The others have what they had before the change that canaries try.
            let waits = trying
                .get(group)
                .is_some_and(|canaries| !canaries.contains(&*sidecar.node));
            match sidecar.progress() {
                Progress::InSync if !waits => spread.programmed += 1,
                Progress::Rejected if spread.rejected.is_none() => {
                    let nacked = sidecar.types.values().find_map(|ty| ty.nacked.as_ref());
                    let why = nacked.map(|nacked| nacked.message.clone());
                    spread.rejected = Some((Arc::clone(&sidecar.node), why.unwrap_or_default()));
                }
                _ => {}
            }
        }
        spreads
    }
}
