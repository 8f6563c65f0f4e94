//! The server without the mirroring: a program publishes named resources for node ids, and [`serve`](crate::server::serve)
//! sends them to whoever says that it is that node. For tests, conformance adapters and control planes of other things.
//!
//! What a client can rely on is what it can rely on with mirroring: both protocol variants, make before break, nothing
//! sent twice. A node that nothing was published for has no resources: it is answered where an answer is owed, so that
//! it finishes its start, and never with what is another node's.
//!
//! ```no_run
//! use mirrorplane::embed::{Change, Named, Publisher};
//! use mirrorplane::server::{Stats, serve};
//! use mirrorplane::snapshot::ResourceType;
//!
//! # async fn run(cluster: envoy_types::pb::envoy::config::cluster::v3::Cluster) -> Result<(), Box<dyn std::error::Error>> {
//! let (mut publisher, worlds) = Publisher::new();
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:15128").await?;
//! let server = tokio::spawn(serve(listener, worlds, Stats::default().into(), std::future::pending()));
//!
//! let cluster = Named::message(ResourceType::Cluster, "backend", &cluster);
//! publisher.publish([Change::of("edge-1").version("1").set([cluster])])?;
//! publisher.publish([Change::of("edge-1").version("2").remove(ResourceType::Cluster, "backend")])?;
//! # server.await??;
//! # Ok(())
//! # }
//! ```

//! To try changes on a few sidecars first, put a [roll-out](crate::rollout) between the publisher and the server:
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use mirrorplane::embed::{Change, Named, Publisher};
//! use mirrorplane::rollout::{Board, Settings, run};
//! use mirrorplane::server::{Stats, serve};
//! use mirrorplane::snapshot::ResourceType;
//! use tokio::sync::watch;
//!
//! # async fn edge(routes: envoy_types::pb::envoy::config::route::v3::RouteConfiguration) -> Result<(), Box<dyn std::error::Error>> {
//! let (mut publisher, targets) = Publisher::new();
//! let (worlds, world) = watch::channel(None);
//! let (stats, board) = (Arc::new(Stats::default()), Arc::new(Board::default()));
//! tokio::spawn(run(Settings::default(), targets, worlds, Arc::clone(&stats), Arc::clone(&board)));
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:15128").await?;
//! tokio::spawn(serve(listener, world, stats, std::future::pending()));
//!
//! let follow = (1..=100).map(|n| Change::follow(format!("edge-{n}"), "edge"));
//! let routes = Named::message(ResourceType::Route, "routes", &routes);
//! publisher.publish(follow.chain([Change::of("edge").set([routes])]))?;
//! for rollout in board.rollouts() {
//!     println!("{}: {:?} is not everywhere: {:?}", rollout.group, rollout.changes, rollout.stage);
//! }
//! # Ok(())
//! # }
//! ```

mod change;
mod publisher;

pub use change::{Change, Error, Named, UnknownType};
pub use publisher::Publisher;
