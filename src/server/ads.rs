//! The server as a whole: what comes in, what is published, and its end.

use std::future::Future;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::service::TowerToHyperService;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tonic::service::Routes;

use super::access_logs::AccessLogs;
use super::clients::Clients;
use super::csds::Csds;
use super::entrance::Entrance;
use super::feed::Feeds;
use super::gate::Gate;
use super::http2;
use super::load_reports::LoadReports;
use super::operations;
use super::routing::Discovery;
use super::routing::Services;
use super::stats::Stats;
use crate::proto::envoy::service::accesslog::v3::access_log_service_server as access_log;
use crate::proto::envoy::service::load_stats::v3::load_reporting_service_server as load_stats;
use crate::proto::envoy::service::status::v3::client_status_discovery_service_server as status;
use crate::snapshot::World;
use crate::transport::accept;

/// Connections that are ready and wait to be taken.
const CONNECTIONS: usize = 16;

/// For how long a stopping server waits for its clients to read that it stops.
const DRAIN: Duration = Duration::from_secs(3);

/// The server failed as a whole.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The descriptors that reflection serves are not valid.
    #[error("cannot describe the services")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// Serves ADS and what belongs to it at an entrance, which may be a bare listener, until `shutdown` completes; then ends
/// the streams with `UNAVAILABLE` and returns within a bounded time. While the world is `None`, because the sources are
/// not synced, streams are held and sent nothing.
///
/// # Errors
///
/// If the services cannot be described. What a client does ends at most its own connection.
pub async fn serve(
    entrance: impl Into<Entrance>,
    mut world: watch::Receiver<Option<Arc<World>>>,
    stats: Arc<Stats>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    // A receiver sees its sender gone as well, so that connections do not outlive a server that is dropped.
    let (stop, stopping) = watch::channel(false);
    let Entrance {
        listener,
        tls,
        authentication,
        keepalive,
    } = entrance.into();
    let gate = Arc::new(Gate::new(authentication, Arc::clone(&stats)));
    let clients = Arc::new(Clients::default());
    let feeds = Arc::new(Feeds::default());
    let csds = Csds {
        clients: Arc::clone(&clients),
        gate: Arc::clone(&gate),
    };
    let reports = LoadReports {
        gate: Arc::clone(&gate),
        loads: Arc::clone(stats.loads()),
    };
    let access_logs = AccessLogs {
        gate: Arc::clone(&gate),
        refusals: Arc::clone(stats.refusals()),
    };
    let routes = Routes::new(status::ClientStatusDiscoveryServiceServer::new(csds))
        .add_service(load_stats::LoadReportingServiceServer::new(reports))
        .add_service(access_log::AccessLogServiceServer::new(access_logs));
    let (routes, health) = operations::add_to(routes).await?;
    let services = Services {
        discovery: Discovery {
            stats,
            gate: Arc::clone(&gate),
            clients,
            feeds: Arc::clone(&feeds),
            encoder: Arc::default(),
        },
        others: TowerToHyperService::new(routes),
    };
    let synced = world.clone();
    let publishing = async {
        loop {
            let newest = world.borrow_and_update().clone();
            newest.into_iter().for_each(|world| feeds.publish(world));
            if world.changed().await.is_err() {
                // What was published last is served on.
                pending::<()>().await;
            }
        }
    };
    let (ready, mut connections) = mpsc::channel(CONNECTIONS);
    let failed = |peer, failure| gate.failed(peer, failure);
    let mut open = JoinSet::new();
    let serving = async {
        loop {
            tokio::select! {
                Some(connection) = connections.recv() => match connection {
                    Ok(connection) => {
                        let stopped = stopped(stopping.clone());
                        let services = services.clone();
                        open.spawn(http2::serve(connection, services, keepalive, stopped));
                    }
                    Err(error) => tracing::debug!(%error, "a connection failed"),
                },
                Some(_) = open.join_next() => {}
                else => pending().await,
            }
        }
    };
    tokio::select! {
        () = shutdown => {}
        never = serving => match never {},
        never = publishing => match never {},
        never = operations::report(health, synced) => match never {},
        () = accept(listener, tls, ready, failed) => {}
    }
    feeds.stop();
    stop.send_replace(true);
    let drained = timeout(DRAIN, async { while open.join_next().await.is_some() {} });
    if drained.await.is_err() {
        tracing::info!("clients that do not read are left behind");
    }
    Ok(())
}

/// Completes when the server stops, or is gone.
async fn stopped(mut stopping: watch::Receiver<bool>) {
    while !*stopping.borrow_and_update() && stopping.changed().await.is_ok() {}
}
