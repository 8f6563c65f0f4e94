//! The streams that are open, to be asked what their clients have, resource by resource.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use super::node::Node;
use super::substream::Entry;

/// What a stream knows of its client.
#[derive(Debug)]
pub(super) struct Holdings {
    /// Who it is.
    pub(super) node: Node,
    /// What it was sent, and what it said of it.
    pub(super) entries: Vec<Entry>,
}

/// Looks at a stream; one whose client has not said who it is yields nothing.
type Look = Arc<dyn Fn() -> Option<Holdings> + Send + Sync>;

/// The open streams of a server.
#[derive(Default)]
pub(super) struct Clients(Mutex<Streams>);

#[derive(Default)]
struct Streams {
    next: u64,
    open: BTreeMap<u64, Look>,
}

impl Clients {
    /// Lists a stream until the value is dropped.
    pub(super) fn enter(
        self: &Arc<Self>,
        look: impl Fn() -> Option<Holdings> + Send + Sync + 'static,
    ) -> Listed {
        let id = self.with(|streams| {
            streams.next += 1;
            streams.open.insert(streams.next, Arc::new(look));
            streams.next
        });
        let clients = Arc::clone(self);
        Listed { clients, id }
    }

    /// What there is to say of each client, in the order in which they came.
    pub(super) fn holdings(&self) -> Vec<Holdings> {
        let open: Vec<_> = self.with(|streams| streams.open.values().cloned().collect());
        open.iter().filter_map(|look| look()).collect()
    }

    fn with<T>(&self, f: impl FnOnce(&mut Streams) -> T) -> T {
        // Nothing in here can panic half-way.
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").finish_non_exhaustive()
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
