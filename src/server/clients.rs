//! The streams that are open, to be asked what their clients have.
//!
//! Nothing is written down while resources flow: a stream is asked when somebody wants to know, and answers between two
//! of its own events. So the status costs a stream nothing, and is of one moment.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio::time::timeout_at;

use super::node::Node;
use super::substream::Entry;

/// How long all streams together may take to answer. Each of them needs microseconds, unless it is just ending.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a stream knows of its client.
#[derive(Debug)]
pub(super) struct Status {
    /// Who it is.
    pub(super) node: Node,
    /// What it was sent, and what it said of it.
    pub(super) entries: Vec<Entry>,
}

/// A stream is to answer it; one whose client has not said who it is drops it.
pub(super) type Inquiry = oneshot::Sender<Status>;

/// The open streams of a server.
#[derive(Debug, Default)]
pub(super) struct Clients(Mutex<Streams>);

#[derive(Debug, Default)]
struct Streams {
    next: u64,
    open: BTreeMap<u64, mpsc::Sender<Inquiry>>,
}

impl Clients {
    /// Lists a stream until the value is dropped.
    pub(super) fn enter(self: &Arc<Self>) -> (Listed, mpsc::Receiver<Inquiry>) {
        let (inquire, inquiries) = mpsc::channel(1);
        let id = self.with(|streams| {
            streams.next += 1;
            streams.open.insert(streams.next, inquire);
            streams.next
        });
        let clients = Arc::clone(self);
        (Listed { clients, id }, inquiries)
    }

    /// What each stream says, in the order in which they were opened.
    pub(super) async fn ask(&self) -> Vec<Status> {
        let open: Vec<_> = self.with(|streams| streams.open.values().cloned().collect());
        let deadline = Instant::now() + PATIENCE;
        let mut answers = Vec::new();
        for stream in open {
            let (inquiry, answer) = oneshot::channel();
            // One that ends meanwhile has nothing to say.
            if let Ok(Ok(())) = timeout_at(deadline, stream.send(inquiry)).await {
                answers.push(answer);
            }
        }
        let mut statuses = Vec::new();
        for answer in answers {
            if let Ok(Ok(status)) = timeout_at(deadline, answer).await {
                statuses.push(status);
            }
        }
        statuses
    }

    fn with<T>(&self, f: impl FnOnce(&mut Streams) -> T) -> T {
        // Nothing in here can panic half-way.
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A stream that is listed.
#[derive(Debug)]
pub(super) struct Listed {
    clients: Arc<Clients>,
    id: u64,
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.clients.with(|streams| streams.open.remove(&self.id));
    }
}
