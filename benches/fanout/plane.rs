//! mirrorplane under test: its pipeline, and its server.

use std::net::SocketAddr;
use std::sync::Arc;

use mirrorplane::pipeline::Pipeline;
use mirrorplane::resolve::Settings;
use mirrorplane::server;
use mirrorplane::server::Stats;
use tokio::sync::watch;

use crate::control;
use crate::mesh;
use crate::mesh::Size;
use crate::mesh::State;

/// Serves until it is told to quit.
pub(crate) async fn run(address: SocketAddr, size: Size) -> anyhow::Result<()> {
    let mut pipeline = Pipeline::new(Settings::default());
    let mut objects = mesh::objects(size, State::default())?;
    let (worlds, world) = watch::channel(Some(pipeline.step(&objects).world));
    let listener = server::listen(address)?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(server::serve(
        listener,
        world,
        Arc::new(Stats::default()),
        std::future::pending(),
    ));
    let control = control::obey(address, |state| {
        // Only what a user would have edited is made anew; the step itself looks at everything.
        let few = Size { streams: 0, ..size };
        let edited = mesh::objects(few, state)?;
        objects.services = edited.services;
        objects.plugin_configs = edited.plugin_configs;
        worlds.send_replace(Some(pipeline.step(&objects).world));
        Ok(())
    });
    tokio::select! {
        result = server => Ok(result??),
        result = control => result,
    }
}
