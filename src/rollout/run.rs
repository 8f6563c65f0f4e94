//! The loop around the machine: the only clock of the roll-out.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::Instant;
use tracing::info;
use tracing::warn;

use super::Settings;
use super::board::Board;
use super::board::Standing;
use super::machine::Event;
use super::machine::Rollout;
use super::machine::What;
use super::status::Stage;
use super::status::Status;
use crate::server::Stats;
use crate::snapshot::World;

/// Lets what is served follow the targets, each change after it was tried. `stats` are those of the server that reads
/// `worlds`: through them canaries are chosen and heard. Returns when there will be no more targets, and nothing is tried
/// any more; what was served last stays.
pub async fn run(
    settings: Settings,
    mut targets: watch::Receiver<Option<Arc<World>>>,
    worlds: watch::Sender<Option<Arc<World>>>,
    stats: Arc<Stats>,
    board: Arc<Board>,
) {
    let mut rollout = Rollout::new(settings);
    let mut more = true;
    // What is there already was not seen yet.
    targets.mark_changed();
    loop {
        let deadline = rollout.deadline();
        if !more && deadline.is_none() {
            return;
        }
        let events = tokio::select! {
            changed = targets.changed(), if more => {
                more = changed.is_ok();
                let Some(target) = targets.borrow_and_update().clone().filter(|_| more) else {
                    continue;
                };
                rollout.retarget(target, || stats.crowd(), Instant::now())
            }
            () = wake(&stats, deadline), if deadline.is_some() => {
                let verdict = |trial, canary: &_, types: &_| stats.verdict(trial, canary, types);
                let events = rollout.judge(verdict, || stats.crowd(), Instant::now());
                if events.is_empty() && rollout.deadline() == deadline {
                    continue;
                }
                events
            }
        };
        for event in &events {
            board.happened(event);
            log(event);
        }
        // Before canaries are told: what they say at once has to count.
        stats.trials().hold(rollout.trials());
        worlds.send_replace(rollout.world());
        board.stands(Standing {
            target: rollout.target().cloned(),
            rollouts: rollout.statuses(),
        });
    }
}

/// Completes when a canary has said something, and at the deadline.
async fn wake(stats: &Stats, deadline: Option<Instant>) {
    let deadline = async {
        match deadline {
            Some(deadline) => tokio::time::sleep_until(deadline).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = stats.trials().news() => {}
        () = deadline => {}
    }
}

fn log(event: &Event) {
    let Status {
        group,
        sidecars,
        canaries,
        stage,
        ..
    } = &event.status;
    let names: Vec<&str> = canaries.iter().map(|canary| &*canary.node).collect();
    match event.what {
        What::Started => info!(%group, sidecars, ?names, "canaries try a change"),
        What::Accepted => info!(%group, sidecars, "all canaries accepted the change"),
        What::TimedOut => info!(%group, sidecars, "not all canaries answered: the change goes on"),
        What::Superseded => info!(%group, "what canaries tried is not wanted any more"),
        What::Stopped => {
            let rejected = match stage {
                Stage::Rejected(rejections) => rejections.len(),
                Stage::Trying | Stage::Lost => 0,
            };
            warn!(%group, sidecars, canaries = names.len(), rejected, "the roll-out is stopped");
        }
    }
}
