//! The wiring of `serve`: source → pipeline → server, joined by watches, and the pages about them. No logic of its own.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::Instant;
use tracing::field::display;
use tracing::{error, info, info_span, warn};

use crate::admin;
use crate::admin::Loads;
use crate::admin::Pages;
use crate::diag::Diagnostic;
use crate::diag::Severity;
use crate::pipeline::Pipeline;
use crate::resolve::Settings;
use crate::server;
use crate::server::Entrance;
use crate::server::Stats;
use crate::snapshot::World;
use crate::source;
use crate::source::Folder;

/// What the control plane is made of.
#[derive(Debug)]
pub struct Config {
    /// The folder of objects.
    pub directory: PathBuf,
    /// Where sidecars connect, and what they have to show.
    pub entrance: Entrance,
    /// Defaults for the objects.
    pub settings: Settings,
    /// Counts what is served.
    pub stats: Arc<Stats>,
    /// Where operators ask, if they may.
    pub admin: Option<TcpListener>,
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
        directory,
        entrance,
        settings,
        stats,
        admin,
    } = config;
    let (folders, folder) = watch::channel(None);
    let (worlds, world) = watch::channel(None);
    let (stop, stopping) = watch::channel(false);
    let loads = Arc::new(Loads::default());
    let pages = Pages::new(
        Arc::clone(&stats),
        Arc::clone(&loads),
        world.clone(),
        stopping,
    );
    let shutdown = async move {
        shutdown.await;
        stop.send_replace(true);
    };
    tokio::select! {
        result = source::run(directory, folders) => result.map_err(Error::Source),
        () = translate(folder, worlds, Pipeline::new(settings), &loads) => Ok(()),
        () = answer(admin, pages) => Ok(()),
        result = server::serve(entrance, world, stats, shutdown) => result.map_err(Error::Server),
    }
}

/// Answers operators, for ever; if there is no address to do so, waits for ever.
async fn answer(admin: Option<TcpListener>, pages: Pages) {
    match admin {
        Some(listener) => admin::serve(listener, pages).await,
        None => std::future::pending().await,
    }
}

/// Turns each new state of the folder into what is served, and says what is new about it.
async fn translate(
    mut folders: watch::Receiver<Option<Arc<Folder>>>,
    worlds: watch::Sender<Option<Arc<World>>>,
    mut pipeline: Pipeline,
    loads: &Loads,
) {
    let mut said: HashMap<String, Diagnostic> = HashMap::new();
    while folders.changed().await.is_ok() {
        let Some(folder) = folders.borrow_and_update().clone() else {
            continue;
        };
        let generation = loads.generation() + 1;
        // Many objects take their time, and the server has to go on meanwhile.
        let objects = Arc::clone(&folder);
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
        let now = folder.report.iter().chain(&step.report);
        let now: HashMap<_, _> = now.map(|one| (one.to_string(), one.clone())).collect();
        let report = || folder.report.iter().chain(&step.report);
        for diagnostic in report().filter(|one| !said.contains_key(&one.to_string())) {
            log(diagnostic);
        }
        for (_, Diagnostic { code, message, .. }) in
            said.iter().filter(|(text, _)| !now.contains_key(*text))
        {
            info!(code = code.as_str(), "no longer so: {message}");
        }
        said = now;
        for (group, dangling) in &step.faults {
            for dangling in dangling {
                error!(%group, %dangling, "the group keeps its last good configuration");
            }
        }
        loads.loaded(&step.world, report(), took);
        let count = |severity| report().filter(|one| one.severity() == severity).count();
        info!(
            objects = folder.objects.len(),
            errors = count(Severity::Error),
            warnings = count(Severity::Warning),
            ?took,
            "configuration loaded"
        );
        worlds.send_replace(Some(step.world));
    }
}

fn log(diagnostic: &Diagnostic) {
    let Diagnostic {
        code,
        message,
        effect,
        help,
        object,
        path,
        place,
    } = diagnostic;
    let code = code.as_str();
    let (place, object) = (place.as_ref().map(display), object.as_ref().map(display));
    // What is empty is not said.
    let path = Some(path)
        .filter(|path| !path.segments().is_empty())
        .map(display);
    let [effect, help] =
        [effect, help].map(|text| Some(text.as_str()).filter(|text| !text.is_empty()));
    match diagnostic.severity() {
        Severity::Error => error!(code, place, object, path, effect, help, "{message}"),
        Severity::Warning => warn!(code, place, object, path, effect, help, "{message}"),
        Severity::Info => info!(code, place, object, path, effect, help, "{message}"),
    }
}
