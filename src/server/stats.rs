//! What is counted: cheap to count, cheap to read.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use crate::access::Refusal;
use crate::snapshot::ResourceType;

/// Counters of one server. All of them only grow, but for the number of open streams.
#[derive(Debug, Default)]
pub struct Stats {
    open: AtomicU64,
    opened: AtomicU64,
    pushed: PerType,
    acked: PerType,
    nacked: PerType,
    refused: [AtomicU64; Refusal::ALL.len()],
}

#[derive(Debug, Default)]
struct PerType([AtomicU64; ResourceType::ALL.len()]);

impl PerType {
    fn add(&self, ty: ResourceType) {
        self.0[ty as usize].fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self, ty: ResourceType) -> u64 {
        self.0[ty as usize].load(Ordering::Relaxed)
    }
}

impl Stats {
    /// Streams that are open now.
    pub fn streams_open(&self) -> u64 {
        self.open.load(Ordering::Relaxed)
    }

    /// Streams that were ever opened.
    pub fn streams_total(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    /// Responses of a type that were sent.
    pub fn pushed(&self, ty: ResourceType) -> u64 {
        self.pushed.get(ty)
    }

    /// Responses of a type that a client accepted.
    pub fn acked(&self, ty: ResourceType) -> u64 {
        self.acked.get(ty)
    }

    /// Responses of a type that a client rejected.
    pub fn nacked(&self, ty: ResourceType) -> u64 {
        self.nacked.get(ty)
    }

    /// Clients that were turned away for a reason; nothing was sent to them.
    pub fn refused(&self, reason: Refusal) -> u64 {
        self.refused[reason as usize].load(Ordering::Relaxed)
    }

    pub(super) fn count_refusal(&self, reason: Refusal) {
        self.refused[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_push(&self, ty: ResourceType) {
        self.pushed.add(ty);
    }

    pub(super) fn count_ack(&self, ty: ResourceType) {
        self.acked.add(ty);
    }

    pub(super) fn count_nack(&self, ty: ResourceType) {
        self.nacked.add(ty);
    }

    /// Counts a stream as open until the value is dropped.
    pub(super) fn open_stream(self: &Arc<Self>) -> OpenStream {
        self.open.fetch_add(1, Ordering::Relaxed);
        self.opened.fetch_add(1, Ordering::Relaxed);
        OpenStream(Arc::clone(self))
    }
}

/// An open stream.
#[derive(Debug)]
pub(super) struct OpenStream(Arc<Stats>);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Stats;
    use crate::snapshot::ResourceType;

    #[test]
    fn types_are_counted_apart() {
        let stats = Stats::default();
        for (times, ty) in ResourceType::ALL.into_iter().enumerate() {
            for _ in 0..times {
                stats.count_push(ty);
            }
        }
        let read = ResourceType::ALL.map(|ty| stats.pushed(ty));
        assert_eq!(read, [0, 1, 2, 3, 4]);
        assert_eq!(stats.acked(ResourceType::Runtime), 0);
    }

    #[test]
    fn a_stream_is_open_until_it_is_dropped() {
        let stats = Arc::new(Stats::default());
        let stream = stats.open_stream();
        assert_eq!((stats.streams_open(), stats.streams_total()), (1, 1));
        drop(stream);
        assert_eq!((stats.streams_open(), stats.streams_total()), (0, 1));
    }
}
