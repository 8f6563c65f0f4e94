//! The wiring of `serve`: source → pipeline → rollout → server, joined by watches, and the pages about them. No logic of
//! its own.

mod clock;
mod notices;
mod observing;

use std::future::Future;
use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use std::time::SystemTime;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::Instant;
use tokio::time::timeout;
use tracing::{error, info, info_span};

use self::notices::Notices;
use self::observing::Observing;
use crate::admin;
use crate::admin::Loads;
use crate::admin::Pages;
use crate::admission;
use crate::diag::Diagnostic;
use crate::diag::Severity;
use crate::model::Findings;
use crate::observe;
use crate::pipeline::Pipeline;
use crate::pipeline::Step;
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
use crate::status;
use crate::status::Facts;

/// How long a stopping control plane tries to give its Lease back.
const RESIGN: Duration = Duration::from_secs(2);

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
    /// Where the objects have a status, if they have one.
    pub status: Option<status::Settings>,
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
        status,
    } = config;
    let admissions = Arc::new(admission::Stats::default());
    let (states, state) = watch::channel(None);
    let (targets, target) = watch::channel(None);
    let (worlds, world) = watch::channel(None);
    let (stop, stopping) = watch::channel(false);
    let (facts, known) = watch::channel(None);
    let (watched, watching) = watch::channel(Arc::default());
    let (findings, found) = watch::channel(Arc::<Findings>::default());
    let (resigned, resignation) = oneshot::channel::<()>();
    let loads = Arc::new(Loads::default());
    let board = Arc::new(Board::default());
    let standing = Standing::default();
    let counts = status::Counts::default();
    let status = status.map(|settings| {
        status::run(
            settings,
            known,
            Arc::clone(&stats),
            &counts,
            stopping.clone(),
        )
    });
    let facts = status.is_some().then_some(facts);
    let pages = Pages::new(
        Arc::clone(&stats),
        Arc::clone(&loads),
        Arc::clone(&board),
        world.clone(),
        stopping.clone(),
    )
    .counting(|registry| {
        standing.register(registry);
        admissions.register(registry);
        counts.register(registry);
    });
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
        // So that another one need not wait for the end of the Lease.
        timeout(RESIGN, resignation).await.ok();
    };
    let status = async move {
        if let Some(status) = status {
            status.await;
        }
        drop(resigned);
        pending::<()>().await;
    };
    let observed = Arc::clone(&stats);
    let watch = Observing {
        stats: Arc::clone(&stats),
        watched,
        found,
    };
    let translating = translate(
        state,
        targets,
        Pipeline::new(settings),
        &loads,
        &board,
        watch,
        facts.as_ref(),
    );
    tokio::select! {
        result = source.follow(&standing, states) => result.map_err(Error::Source),
        () = translating => Ok(()),
        () = observe::run(Arc::clone(&observed), watching, findings) => Ok(()),
        () = status => Ok(()),
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
        None => pending().await,
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
    mut observing: Observing,
    facts: Option<&watch::Sender<Option<Arc<Facts>>>>,
) {
    let mut notices = Notices::default();
    let mut rollouts = board.subscribe();
    let mut lineage = Lineage::default();
    let mut current: Option<(Arc<State>, Step)> = None;
    loop {
        let until = current.as_ref().and_then(|(_, step)| step.until);
        let state = tokio::select! {
            changed = states.changed() => match changed {
                Ok(()) => states.borrow_and_update().clone(),
                Err(_) => return,
            },
            // The same objects, at the next step of a ramp, or with other findings about their copies.
            () = clock::at(until) => current.as_ref().map(|(state, _)| Arc::clone(state)),
            Ok(()) = observing.found.changed() => current.as_ref().map(|(state, _)| Arc::clone(state)),
            Ok(()) = rollouts.changed() => {
                let standing = rollouts.borrow_and_update().clone();
                lineage.stands(&standing);
                if let Some((state, step)) = &current {
                    let stopped = diagnose(&standing, &lineage, &state.objects);
                    let now = state.report.iter().chain(&step.report).chain(&stopped);
                    notices.say(now.clone());
                    loads.diagnosed(now.clone());
                    know(facts, state, step, now, &pipeline, standing.rollouts);
                }
                continue;
            }
        };
        let Some(state) = state else {
            continue;
        };
        let generation = loads.generation() + 1;
        // Many objects take their time, and the server has to go on meanwhile.
        let objects = Arc::clone(&state);
        let found = Arc::clone(&observing.found.borrow_and_update());
        let stepped = spawn_blocking(move || {
            let _step = info_span!("step", generation).entered();
            let start = Instant::now();
            let step = pipeline.step_at(&objects.objects, &found, SystemTime::now());
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
            observing.watch(&step, model);
        }
        let standing = rollouts.borrow().rollouts.clone();
        know(facts, &state, &step, report(), &pipeline, standing);
        worlds.send_replace(Some(Arc::clone(&step.world)));
        current = Some((state, step));
    }
}

/// Passes on what statuses are made of, if anybody makes some.
fn know<'a>(
    facts: Option<&watch::Sender<Option<Arc<Facts>>>>,
    state: &Arc<State>,
    step: &Step,
    report: impl Iterator<Item = &'a Diagnostic>,
    pipeline: &Pipeline,
    rollouts: Vec<rollout::Status>,
) {
    if let (Some(facts), Some(model)) = (facts, pipeline.model()) {
        facts.send_replace(Some(Arc::new(Facts {
            state: Arc::clone(state),
            report: report.cloned().collect(),
            model: Arc::new(model.clone()),
            ramps: Arc::clone(&step.ramps),
            budgets: Arc::clone(&step.budgets),
            rates: Arc::clone(&step.rates),
            refused: Arc::clone(&step.refused),
            rollouts,
        })));
    }
}
