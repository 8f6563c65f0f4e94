//! When a change is tried, when it goes on, and when it is stopped. No I/O, no clock.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::time::Instant;

use super::Settings;
use super::choice::choose;
use super::hold::hold;
use super::reach::is_nowhere;
use super::reach::reach;
use super::status::Rejection;
use super::status::Stage;
use super::status::Status;
use crate::model::GroupId;
use crate::server::Member;
use crate::server::Verdict;
use crate::snapshot::Canary;
use crate::snapshot::Instance;
use crate::snapshot::ResourceType;
use crate::snapshot::Snapshot;
use crate::snapshot::World;

/// All roll-outs of one server.
#[derive(Debug)]
pub(super) struct Rollout {
    settings: Settings,
    both: Option<Worlds>,
    /// The groups whose newest configuration is not everywhere.
    lanes: BTreeMap<GroupId, Lane>,
    /// The number of the last trial. It is never used twice.
    trials: u64,
}

#[derive(Debug)]
struct Worlds {
    /// What all are served but the canaries: of each sidecar the last configuration that it was let have.
    good: Arc<World>,
    /// What all are to be served.
    target: Arc<World>,
}

/// The roll-out of one group.
#[derive(Debug)]
struct Lane {
    /// What the group is to have.
    snapshot: Arc<Snapshot>,
    status: Status,
    /// Absent once it is stopped.
    trial: Option<Trial>,
}

#[derive(Debug)]
struct Trial {
    number: u64,
    /// When the canaries' silence is taken for consent.
    until: Instant,
    /// Those that were asked before and are gone.
    before: BTreeSet<Instance>,
}

/// Something happened to a roll-out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) what: What,
    /// The roll-out, as it was then.
    pub(super) status: Status,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// Canaries were sent a change.
    Started,
    /// All of them accepted it: it went on to the others.
    Accepted,
    /// Not all of them answered in time: it went on to the others.
    TimedOut,
    /// It was stopped; its stage says why.
    Stopped,
    /// There is something newer, or the change was taken back.
    Superseded,
}

impl Rollout {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            both: None,
            lanes: BTreeMap::new(),
            trials: 0,
        }
    }

    /// There is a new target. The crowd is asked for only if it matters.
    pub(super) fn retarget(
        &mut self,
        target: Arc<World>,
        crowd: impl FnOnce() -> Vec<Member>,
        now: Instant,
    ) -> Vec<Event> {
        let Some(Worlds { good, .. }) = self.both.take() else {
            // Nothing was ever good: there is nothing to compare with, and nothing to go back to.
            let good = Arc::clone(&target);
            self.both = Some(Worlds { good, target });
            return Vec::new();
        };
        let mut events = Vec::new();
        let mut trying = BTreeSet::new();
        self.lanes.retain(|group, lane| {
            let newest = target.groups.get(group);
            match newest.filter(|newest| newest.configures_alike(&lane.snapshot)) {
                Some(newest) => {
                    lane.snapshot = Arc::clone(newest);
                    true
                }
                None => {
                    if lane.trial.is_some() {
                        events.push(lane.event(What::Superseded));
                        trying.extend(lane.status.canaries.iter().cloned());
                    }
                    false
                }
            }
        });
        if self.settings.threshold > 0 && !is_nowhere(&good, &target) {
            for (group, reach) in reach(&good, &target, crowd()) {
                let few = reach.members.len() <= self.settings.threshold;
                if few || self.lanes.contains_key(&group) {
                    continue;
                }
                let Some(snapshot) = target.groups.get(&group) else {
                    continue;
                };
                // Without anybody who could say anything, waiting is of no use.
                let begun = self.begin(&reach.members, &trying, BTreeSet::new(), now);
                let Some((canaries, trial)) = begun else {
                    continue;
                };
                let lane = Lane {
                    snapshot: Arc::clone(snapshot),
                    status: Status {
                        group: group.clone(),
                        from: reach.from,
                        changes: reach.changes,
                        sidecars: reach.members.len(),
                        canaries,
                        stage: Stage::Trying,
                    },
                    trial: Some(trial),
                };
                events.push(lane.event(What::Started));
                self.lanes.insert(group, lane);
            }
        }
        self.settle(&good, target);
        events
    }

    /// Canaries may have said something, or time has passed.
    pub(super) fn judge(
        &mut self,
        verdict: impl Fn(u64, &Instance, &BTreeSet<ResourceType>) -> Verdict,
        crowd: impl Fn() -> Vec<Member>,
        now: Instant,
    ) -> Vec<Event> {
        let Some(Worlds { good, target }) = self.both.take() else {
            return Vec::new();
        };
        let mut events = Vec::new();
        for (group, mut lane) in std::mem::take(&mut self.lanes) {
            let Some(trial) = lane.trial.take() else {
                self.lanes.insert(group, lane);
                continue;
            };
            let types = lane.status.types();
            let canaries = lane.status.canaries.iter();
            let verdicts: Vec<_> = canaries
                .map(|canary| (canary, verdict(trial.number, canary, &types)))
                .collect();
            let all = |wanted: &Verdict| verdicts.iter().all(|(_, verdict)| verdict == wanted);
            let gone = verdicts
                .iter()
                .any(|(_, verdict)| *verdict == Verdict::Gone);
            let first = trial.before.is_empty();
            let rejections = rejections(&verdicts);
            if !rejections.is_empty() {
                lane.status.stage = Stage::Rejected(rejections);
                events.push(lane.event(What::Stopped));
            } else if all(&Verdict::Accepted) {
                events.push(lane.event(What::Accepted));
                continue;
            } else if now < trial.until {
                lane.trial = Some(trial);
            } else if !gone || !first && !all(&Verdict::Gone) {
                events.push(lane.event(What::TimedOut));
                continue;
            } else {
                // Who goes away may have fallen over what it tried, be it alone of its kind: others are asked, once. That
                // some go away then as well may be a Deployment that is just replaced; that all do is no accident.
                let mut asked = trial.before;
                asked.extend(lane.status.canaries.iter().cloned());
                let others = reach(&good, &target, crowd()).remove(&group);
                let mut others = others.unwrap_or_default().members;
                others.retain(|member| !asked.contains(&member.sidecar));
                match self.begin(&others, &BTreeSet::new(), asked, now) {
                    Some((canaries, trial)) if first => {
                        lane.status.canaries = canaries;
                        lane.trial = Some(trial);
                    }
                    Some(_) => {
                        lane.status.stage = Stage::Lost;
                        events.push(lane.event(What::Stopped));
                    }
                    // Nobody is left to whom it could do harm.
                    None => {
                        events.push(lane.event(What::TimedOut));
                        continue;
                    }
                }
            }
            self.lanes.insert(group, lane);
        }
        self.settle(&good, target);
        events
    }

    /// What is to be served now.
    pub(super) fn world(&self) -> Option<Arc<World>> {
        let good = &self.both.as_ref()?.good;
        if self.tried().next().is_none() {
            return Some(Arc::clone(good));
        }
        let mut world = World::clone(good);
        for (lane, trial) in self.tried() {
            for canary in &lane.status.canaries {
                let snapshot = Arc::clone(&lane.snapshot);
                let trial = trial.number;
                let canaries = &mut world.exceptions.canaries;
                canaries.insert(canary.clone(), Canary { snapshot, trial });
            }
        }
        Some(Arc::new(world))
    }

    /// The target that all this is about.
    pub(super) fn target(&self) -> Option<&Arc<World>> {
        self.both.as_ref().map(|worlds| &worlds.target)
    }

    /// The numbers of the trials that go on.
    pub(super) fn trials(&self) -> impl Iterator<Item = u64> {
        self.tried().map(|(_, trial)| trial.number)
    }

    /// When to judge even if nobody says anything.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.tried().map(|(_, trial)| trial.until).min()
    }

    /// What is not everywhere, and why.
    pub(super) fn statuses(&self) -> Vec<Status> {
        let lanes = self.lanes.values();
        lanes.map(|lane| lane.status.clone()).collect()
    }

    fn tried(&self) -> impl Iterator<Item = (&Lane, &Trial)> {
        let lanes = self.lanes.values();
        lanes.filter_map(|lane| Some((lane, lane.trial.as_ref()?)))
    }

    fn settle(&mut self, good: &World, target: Arc<World>) {
        let good = hold(good, &target, |group| self.lanes.contains_key(group));
        self.both = Some(Worlds { good, target });
    }

    /// A new trial, and who takes part; `None` if nobody can.
    fn begin(
        &mut self,
        members: &[Member],
        trying: &BTreeSet<Instance>,
        before: BTreeSet<Instance>,
        now: Instant,
    ) -> Option<(Vec<Instance>, Trial)> {
        // Never all of them: there would be nobody left who is spared.
        let most = members.len().saturating_sub(1).max(1);
        let canaries = choose(members, trying, self.settings.canaries.clamp(1, most));
        if canaries.is_empty() {
            return None;
        }
        self.trials += 1;
        let trial = Trial {
            number: self.trials,
            until: now + self.settings.timeout,
            before,
        };
        Some((canaries, trial))
    }
}

impl Lane {
    fn event(&self, what: What) -> Event {
        let status = self.status.clone();
        Event { what, status }
    }
}

fn rejections(verdicts: &[(&Instance, Verdict)]) -> Vec<Rejection> {
    let rejections = verdicts.iter().filter_map(|(sidecar, verdict)| {
        let Verdict::Rejected(ty, message) = verdict else {
            return None;
        };
        Some(Rejection {
            sidecar: (*sidecar).clone(),
            ty: *ty,
            message: message.clone(),
        })
    });
    rejections.collect()
}
