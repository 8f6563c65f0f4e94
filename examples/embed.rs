//! Serves resources of its own with the server of mirrorplane, and edits them while it runs.
//!
//! `cargo run --example embed -- 127.0.0.1:18000`, then connect any xDS client with the node id `edge-1` or `edge-2`.

use std::error::Error;
use std::time::Duration;

use envoy_types::pb::envoy::config::cluster::v3 as envoy;
use envoy_types::pb::google::protobuf as google;
use mirrorplane::embed::Change;
use mirrorplane::embed::Named;
use mirrorplane::embed::Publisher;
use mirrorplane::server::Stats;
use mirrorplane::server::serve;
use mirrorplane::snapshot::ResourceType;
use tokio::net::TcpListener;

/// Time to look at a state before the next edit.
const PAUSE: Duration = Duration::from_secs(2);

/// A cluster that is told from another by its connect timeout, in seconds.
fn cluster(name: &str, seconds: i64) -> Named {
    let message = envoy::Cluster {
        name: name.to_owned(),
        connect_timeout: Some(google::Duration { seconds, nanos: 0 }),
        ..envoy::Cluster::default()
    };
    Named::message(ResourceType::Cluster, name, &message)
}

/// What happens, step by step; each step is visible as a whole.
fn story() -> Vec<Vec<Change>> {
    let edge = |number: u8| Change::of(format!("edge-{number}"));
    vec![
        // All that each of two nodes has, at versions of our own choice.
        vec![
            edge(1).version("1").set([cluster("a", 1), cluster("b", 1)]),
            edge(2).version("1").set([cluster("z", 1)]),
        ],
        vec![edge(1).version("2").add(cluster("c", 1))],
        vec![edge(1).version("3").update(cluster("a", 5))],
        vec![edge(1).version("4").remove(ResourceType::Cluster, "b")],
        // Without a version of ours: a hash of the content.
        vec![edge(1).clear(), edge(2).update(cluster("z", 2))],
        vec![edge(1).set([cluster("a", 1)])],
    ]
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().init();
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:0")).await?;
    tracing::info!(address = %listener.local_addr()?, "serving");

    let (mut publisher, worlds) = Publisher::new();
    let publishing = async move {
        for changes in story() {
            publisher.publish(changes)?;
            tokio::time::sleep(PAUSE).await;
        }
        tracing::info!("the story is told; Ctrl-C ends");
        // The publisher stays, and what it published is served on.
        std::future::pending::<Result<(), Box<dyn Error>>>().await
    };
    let interrupted = async {
        if let Err(error) = tokio::signal::ctrl_c().await {
            tracing::error!(%error, "cannot wait for Ctrl-C");
        }
    };
    tokio::select! {
        result = publishing => result,
        result = serve(listener, worlds, Stats::default().into(), interrupted) => Ok(result?),
    }
}
