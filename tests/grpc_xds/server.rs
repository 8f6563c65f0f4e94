//! The server in this process, and what it publishes.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mirrorplane::embed::Change;
use mirrorplane::embed::Publisher;
use mirrorplane::server::Stats;
use mirrorplane::server::serve;
use mirrorplane::snapshot::ResourceType;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio::time::timeout;

use crate::DEADLINE;
use crate::NODE;

/// A running server; its client is the only one.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    publisher: Publisher,
    stats: Arc<Stats>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Server {
    /// A server at some port.
    pub(crate) async fn start() -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// A server at this address. It has nothing to say until something is published.
    pub(crate) async fn start_at(address: SocketAddr) -> Self {
        // A process that another test has just forked may hold a socket that was closed here, until it executes.
        let bound = async {
            loop {
                match TcpListener::bind(address).await {
                    Err(error) if error.kind() == ErrorKind::AddrInUse => {
                        sleep(Duration::from_millis(5)).await;
                    }
                    bound => return bound.unwrap(),
                }
            }
        };
        let listener = timeout(DEADLINE, bound).await.unwrap();
        let (publisher, worlds) = Publisher::new();
        let (stop, stopped) = oneshot::channel::<()>();
        let stats = Arc::new(Stats::default());
        Self {
            address: listener.local_addr().unwrap(),
            publisher,
            stats: Arc::clone(&stats),
            stop,
            task: tokio::spawn(async {
                let stopped = async {
                    stopped.await.ok();
                };
                serve(listener, worlds, stats, stopped).await.unwrap();
            }),
        }
    }

    /// Stops it and waits until its port is free.
    pub(crate) async fn stop(self) -> SocketAddr {
        self.stop.send(()).unwrap();
        timeout(DEADLINE, self.task).await.unwrap().unwrap();
        self.address
    }

    /// Changes what the client is to have.
    pub(crate) fn publish(&mut self, change: impl FnOnce(Change) -> Change) {
        self.publisher.publish([change(Change::of(NODE))]).unwrap();
    }

    /// How many responses were sent, by type.
    pub(crate) fn pushes(&self) -> [u64; 4] {
        TYPES.map(|ty| self.stats.pushed(ty))
    }

    /// The client has accepted something of each type, and rejected nothing.
    pub(crate) fn all_accepted(&self) {
        for ty in TYPES {
            assert!(self.stats.acked(ty) > 0, "{ty:?}");
            assert_eq!(self.stats.nacked(ty), 0, "{ty:?}");
        }
    }
}

/// What a gRPC client asks for, in this order.
const TYPES: [ResourceType; 4] = [
    ResourceType::Listener,
    ResourceType::Route,
    ResourceType::Cluster,
    ResourceType::Endpoint,
];
