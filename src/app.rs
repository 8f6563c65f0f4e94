//! The wiring of `serve`: source → pipeline → rollout → server, joined by watches, and the pages about them. No logic of
//! its own.

mod notices;

use std::future::Future;
use std::io;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::Instant;
use tracing::{error, info, info_span};

use self::notices::Notices;
use crate::admin;
use crate::admin::Loads;
use crate::admin::Pages;
use crate::admission;
use crate::diag::Report;
use crate::diag::Severity;
use crate::pipeline::Pipeline;
use crate::resolve::Settings;
use crate::rollout;
use crate::rollout::Board;
use crate::rollout::Lineage;
use crate::rollout::diagnose;
use crate::server;
use crate::server::Entrance;
use crate::server::Stats;
use crate::snapshot::World;
use crate::source::Source;
use crate::source::State;
use crate::source::kubernetes::Standing;

/// What the control plane is made of.
#[derive(Debug)]
pub struct Config {
    /// Where the objects come from.
    pub source: Source,
    /// Where sidecars connect, and what they have to show.
    pub entrance: Entrance,
    /// Defaults for the objects.
    pub settings: Settings,
    /// How careful to be with changes.
    pub rollout: rollout::Settings,
    /// Counts what is served.
    pub stats: Arc<Stats>,
    /// Where operators ask, if they may.
    pub admin: Option<TcpListener>,
    /// Where the Kubernetes API asks, if it may.
    pub webhook: Option<admission::Webhook>,
}

/// A vital part of the control plane ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder cannot be watched.
    #[error("cannot read the configuration folder")]
    Source(#[source] io::Error),
    /// The server failed.
    #[error("cannot serve")]
    Server(#[source] server::Error),
}

/// Runs the control plane until `shutdown` is ready or a vital part of it ends.
pub async fn run(
    config: Config,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Error> {
    let Config {
        source,
        entrance,
        settings,
        rollout,
        stats,
        admin,
        webhook,
    } = config;
    let admissions = Arc::new(admission::Stats::default());
    let (states, state) = watch::channel(None);
    let (targets, target) = watch::channel(None);
    let (worlds, world) = watch::channel(None);
    let (stop, stopping) = watch::channel(false);
    let loads = Arc::new(Loads::default());
    let board = Arc::new(Board::default());
    let standing = Standing::default();
    let pages = Pages::new(
        Arc::clone(&stats),
        Arc::clone(&loads),
        Arc::clone(&board),
        world.clone(),
        stopping.clone(),
    )
    .counting(|registry| standing.register(registry))
    .counting(|registry| admissions.register(registry));
    let asked = admit(
        webhook,
        settings.clone(),
        state.clone(),
        admissions,
        stopping,
    );
    let shutdown = async move {
        shutdown.await;
        stop.send_replace(true);
    };
    tokio::select! {
        result = source.follow(&standing, states) => result.map_err(Error::Source),
        () = translate(state, targets, Pipeline::new(settings), &loads, &board) => Ok(()),
        () = rollout::run(rollout, target, worlds, Arc::clone(&stats), Arc::clone(&board)) => Ok(()),
        () = answer(admin, pages) => Ok(()),
        result = async { tokio::try_join!(server::serve(entrance, world, stats, shutdown), asked) } => {
            result.map(drop).map_err(Error::Server)
        }
    }
}

/// Answers operators, for ever; if there is no address to do so, waits for ever.
async fn answer(admin: Option<TcpListener>, pages: Pages) {
    match admin {
        Some(listener) => admin::serve(listener, pages).await,
        None => std::future::pending().await,
    }
}

/// Answers the Kubernetes API until the process stops; if there is no address to do so, it is done.
async fn admit(
    webhook: Option<admission::Webhook>,
    settings: Settings,
    states: watch::Receiver<Option<Arc<State>>>,
    stats: Arc<admission::Stats>,
    stopping: watch::Receiver<bool>,
) -> Result<(), server::Error> {
    if let Some(webhook) = webhook {
        admission::run(webhook, settings, states, stats, stopping).await;
    }
    Ok(())
}

/// Turns each new state of the source into what is to be served, and says what is new about it and about its roll-out.
async fn translate(
    mut states: watch::Receiver<Option<Arc<State>>>,
    worlds: watch::Sender<Option<Arc<World>>>,
    mut pipeline: Pipeline,
    loads: &Loads,
    board: &Board,
) {
    let mut notices = Notices::default();
    let mut rollouts = board.subscribe();
    let mut lineage = Lineage::default();
    let mut current: Option<(Arc<State>, Report)> = None;
    loop {
        let changed = tokio::select! {
            changed = states.changed() => changed.is_ok(),
            Ok(()) = rollouts.changed() => {
                let standing = rollouts.borrow_and_update().clone();
                lineage.stands(&standing);
                if let Some((state, report)) = &current {
                    let stopped = diagnose(&standing, &lineage, &state.objects);
                    let now = state.report.iter().chain(report).chain(&stopped);
                    notices.say(now.clone());
                    loads.diagnosed(now);
                }
                continue;
            }
        };
        if !changed {
            return;
        }
        let Some(state) = states.borrow_and_update().clone() else {
            continue;
        };
        let generation = loads.generation() + 1;
        // Many objects take their time, and the server has to go on meanwhile.
        let objects = Arc::clone(&state);
        let stepped = spawn_blocking(move || {
            let _step = info_span!("step", generation).entered();
            let start = Instant::now();
            let step = pipeline.step(&objects.objects);
            (pipeline, step, start.elapsed())
        });
        // It fails only while the runtime shuts down.
        let Ok((next, step, took)) = stepped.await else {
            return;
        };
        pipeline = next;
        let _step = info_span!("step", generation).entered();
        // What was stopped before is so until this is rolled out.
        let stopped = diagnose(&rollouts.borrow(), &lineage, &state.objects);
        let report = || state.report.iter().chain(&step.report).chain(&stopped);
        notices.say(report());
        for (group, dangling) in &step.faults {
            for dangling in dangling {
                error!(%group, %dangling, "the group keeps its last good configuration");
            }
        }
        loads.loaded(&step.world, report(), took);
        let count = |severity| report().filter(|one| one.severity() == severity).count();
        info!(
            objects = state.objects.len(),
            errors = count(Severity::Error),
            warnings = count(Severity::Warning),
            ?took,
            "configuration loaded"
        );
        if let Some(model) = pipeline.model() {
            lineage.targets(&step.world, model);
        }
        worlds.send_replace(Some(step.world));
        current = Some((state, step.report));
    }
}
