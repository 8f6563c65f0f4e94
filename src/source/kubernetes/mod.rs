//! Objects from the Kubernetes API.
//!
//! ```text
//! feed ─► read ─► news ─► cluster ─► State
//! of each kind            pure       debounced
//! ```
//!
//! What cannot be read any more stays as it was last valid, be it an object, a kind or all of them, and is reported.

mod backoff;
mod cluster;
mod connect;
mod fault;
mod feed;
mod news;
mod read;
mod remarks;
mod standing;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio::time::sleep_until;
use tokio::time::timeout;

use self::cluster::Cluster;
use self::cluster::followed;
use self::feed::Feed;
use self::news::News;
use self::waiting::Waiting;
use super::debounce::Debounce;
use super::objects::State;

pub use self::connect::{Access, Error, connect};
pub use self::standing::Standing;

/// News on their way. More are not needed: a feed waits, and the server with it.
const WAITING: usize = 256;
/// How long a single reading of the cluster may take.
const ONCE: Duration = Duration::from_secs(60);

/// Follows the objects of a cluster, publishes them once they are known of each kind, and again after every change, until
/// nobody listens any more. Cancel it by dropping. It never fails: it tries again, and what was last read stays.
pub async fn run(client: Client, standing: &Standing, sender: watch::Sender<Option<Arc<State>>>) {
    let (_feeds, mut inbox) = feeds(&client);
    let mut cluster = Cluster::new();
    let mut debounce = Debounce::default();
    let mut waiting = Waiting::default();
    loop {
        let deadline = debounce.deadline();
        tokio::select! {
            // First, so that news without end cannot outrun the limit.
            biased;
            () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                debounce = Debounce::default();
                standing.note(&cluster);
                if cluster.is_complete() {
                    publish(&cluster, &sender);
                } else {
                    waiting.say(cluster.hindrances());
                }
            }
            () = sender.closed() => return,
            Some((feed, news)) = inbox.recv() => {
                if cluster.hear(feed, news) {
                    debounce.change(Instant::now());
                }
            }
        }
    }
}

/// What the cluster holds now, of the kinds that may be read; the report names the others.
///
/// # Errors
///
/// Why it cannot be read, if the server does not answer.
pub async fn read_once(client: &Client) -> Result<State, Unreadable> {
    let (_feeds, mut inbox) = feeds(client);
    let mut cluster = Cluster::new();
    let read = async {
        while let Some((feed, news)) = inbox.recv().await {
            cluster.hear(feed, news);
            if let Some(why) = cluster.lost() {
                return Err(Unreadable(why.to_owned()));
            }
            if cluster.is_settled() {
                break;
            }
        }
        Ok(cluster.state())
    };
    let late = |_| Unreadable(format!("it could not be read within {ONCE:?}"));
    timeout(ONCE, read).await.map_err(late)?
}

/// The cluster cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the Kubernetes API does not answer as it should: {0}")]
pub struct Unreadable(String);

/// Starts the feeds of all kinds; dropping the set ends them.
fn feeds(client: &Client) -> (JoinSet<()>, mpsc::Receiver<(usize, News)>) {
    let (outbox, inbox) = mpsc::channel(WAITING);
    let feeds = followed()
        .enumerate()
        .map(|(number, row)| Feed::new(client.clone(), row, number, outbox.clone()).run());
    (feeds.collect(), inbox)
}

fn publish(cluster: &Cluster, sender: &watch::Sender<Option<Arc<State>>>) {
    let state = cluster.state();
    let changed = sender.send_if_modified(|published| {
        let differs = published.as_deref() != Some(&state);
        if differs {
            *published = Some(Arc::new(state));
        }
        differs
    });
    if changed {
        tracing::debug!("cluster read");
    }
}
