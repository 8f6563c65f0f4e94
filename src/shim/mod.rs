//! A minimal data plane: it speaks ADS as Envoy does, forwards HTTP, and mirrors the sampled share.
//!
//! ```text
//! bootstrap ─► ads::client ─► support ─► config ─► state ─► plane ─► proxy ─┬─► upstream ─► pool
//!                │  ▲ ACK/NACK                       │               │      └─► mirror ─► buffer
//!                └──┴── sotw, delta                  └─► listener ───┴─► access_log
//! ```
//!
//! It sees only the wire: nothing of the control plane but its messages. It accepts the subset of Envoy's API that it
//! honours, and names the first field beyond it in a NACK.
//!
//! The copy of a request never delays or fails the request: it runs in its own task, behind a bounded buffer.

mod access_log;
mod ads;
mod body;
mod bootstrap;
mod buffer;
mod config;
mod connect;
mod duration;
mod edit;
mod framing;
mod headers;
mod listener;
mod load_reports;
mod mirror;
mod plane;
mod pool;
mod proxy;
mod route;
mod runtime;
mod shared;
mod state;
mod stats;
mod support;
mod supported;
mod supported_routes;
mod task;
mod trace;
mod upgrade;
mod upstream;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

pub use ads::Kind;
pub use bootstrap::{
    Bootstrap, BootstrapError, Injected, KeepAlive, Metadata, NoSecret, Tls, Variant,
};
pub use stats::{AdsCounts, ClusterCounts, Counts, DropReason};

use ads::client::Client;
use listener::{Command, Listeners, Serving};
use plane::Plane;
use proxy::Proxy;
use state::State;
use stats::Stats;
use task::Lifetime;

/// How long a shutdown waits for the requests under way.
const DRAIN: Duration = Duration::from_secs(10);

/// The shim cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no Tokio runtime to run in.
    #[error("the shim needs a Tokio runtime")]
    NoRuntime(#[from] tokio::runtime::TryCurrentError),
}

/// A running data plane. Dropping it ends everything at once.
#[derive(Debug)]
pub struct Shim {
    serving: watch::Receiver<Serving>,
    listeners: mpsc::Sender<Command>,
    stats: Arc<Stats>,
    client: JoinHandle<()>,
    _lifetime: Lifetime,
}

impl Shim {
    /// Starts to connect. Nothing is served before the control plane has said what.
    ///
    /// # Errors
    /// Outside of a Tokio runtime.
    pub fn start(bootstrap: Bootstrap) -> Result<Self, Error> {
        tokio::runtime::Handle::try_current()?;
        let (lifetime, tasks) = task::lifetime();
        let (plane, planes) = watch::channel(Arc::new(Plane::default()));
        let (serving_now, serving) = watch::channel(Serving::new());
        let (listeners, commands) = mpsc::channel(1);
        let stats = Arc::<Stats>::default();
        let (refused, entries) = mpsc::channel(access_log::WAITING);
        let proxy = Arc::new(Proxy {
            refused,
            plane: planes,
            stats: Arc::clone(&stats),
            tasks: tasks.clone(),
        });
        tasks.spawn(Listeners::new(proxy, serving_now).run(commands));
        let client = Client {
            state: State::new(bootstrap.runtime_layers.clone()),
            bootstrap,
            plane,
            listeners: listeners.clone(),
            stats: Arc::clone(&stats),
            tasks: tasks.clone(),
        };
        if client.bootstrap.load_reports.is_some() {
            let reports =
                load_reports::run(client.bootstrap.clone(), client.node(), Arc::clone(&stats));
            tasks.spawn(reports);
        }
        let told = access_log::run(client.bootstrap.clone(), client.node(), entries);
        tasks.spawn(told);
        Ok(Self {
            client: tasks.spawn(client.run()),
            serving,
            listeners,
            stats,
            _lifetime: lifetime,
        })
    }

    /// Waits for the first listener that serves, and returns its address: the real one, where port 0 was asked for.
    pub async fn listening(&self) -> SocketAddr {
        let mut serving = self.serving.clone();
        loop {
            let first = serving.borrow_and_update().values().next().copied();
            if let Some(address) = first {
                return address;
            }
            if serving.changed().await.is_err() {
                // The sockets are gone only after this value.
                std::future::pending::<()>().await;
            }
        }
    }

    /// The counters now.
    pub fn stats(&self) -> Counts {
        self.stats.counts()
    }

    /// Stops to accept, lets the requests under way end (for at most ten seconds), and ends.
    pub async fn shutdown(self) {
        // No new configuration, so that nothing is opened again.
        self.client.abort();
        let (reply, drained) = oneshot::channel();
        let draining = async {
            if self.listeners.send(Command::Drain(reply)).await.is_ok() {
                drained.await.ok();
            }
        };
        if timeout(DRAIN, draining).await.is_err() {
            tracing::warn!("connections were still open at the end of the shutdown");
        }
    }
}
