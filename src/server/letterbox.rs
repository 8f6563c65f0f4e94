//! Where one stream finds its news: the newest alone, and a waker for whoever waits.

use std::mem;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;

use crate::model::GroupId;
use crate::snapshot::Snapshot;

/// What a client is to have from now on.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    /// The group that its node belongs to.
    pub(super) group: GroupId,
    /// Whether the world knows the node; one that it does not know gets what strangers get.
    pub(super) known: bool,
    /// The trial of its configuration that it takes part in, if it does.
    pub(super) trial: Option<u64>,
    /// Its configuration.
    pub(super) snapshot: Arc<Snapshot>,
}

/// Something that a stream has to take note of.
#[derive(Debug)]
pub(super) enum News {
    /// Its client is to have something else.
    Offer(Offer),
    /// The server stops.
    Stop,
}

/// The newest news for a stream; what was not read before is out of date.
#[derive(Debug, Default)]
pub(super) struct Letterbox(Mutex<Post>);

#[derive(Debug, Default)]
struct Post {
    /// What the client is to have.
    offer: Option<Offer>,
    unread: bool,
    stop: bool,
    reader: Option<Waker>,
}

impl Letterbox {
    /// Leaves an offer, unless it is the one that was left last; the group of that.
    pub(super) fn put(&self, offer: Offer) -> Option<GroupId> {
        let same = |before: &Offer| {
            before.group == offer.group
                && before.known == offer.known
                && before.trial == offer.trial
                && Arc::ptr_eq(&before.snapshot, &offer.snapshot)
        };
        let mut post = lock(&self.0);
        if post.offer.as_ref().is_some_and(same) {
            return Some(offer.group);
        }
        let before = post.offer.replace(offer);
        post.unread = true;
        Self::ring(post);
        before.map(|before| before.group)
    }

    /// The group has something else now.
    pub(super) fn renew(&self, group: &GroupId, snapshot: &Arc<Snapshot>) {
        let mut post = lock(&self.0);
        if let Some(offer) = post.offer.as_mut().filter(|offer| offer.group == *group) {
            offer.snapshot = Arc::clone(snapshot);
            post.unread = true;
            Self::ring(post);
        }
    }

    fn ring(mut post: MutexGuard<'_, Post>) {
        let reader = post.reader.take();
        drop(post);
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// The server stops.
    pub(super) fn stop(&self) {
        let mut post = lock(&self.0);
        post.stop = true;
        Self::ring(post);
    }

    /// Nobody reads any more; the group of the last offer.
    pub(super) fn close(&self) -> Option<GroupId> {
        let mut post = lock(&self.0);
        post.reader = None;
        post.offer.take().map(|offer| offer.group)
    }

    /// The next news.
    pub(super) fn poll(&self, context: &Context<'_>) -> Poll<News> {
        let mut post = lock(&self.0);
        if post.stop {
            return Poll::Ready(News::Stop);
        }
        if mem::take(&mut post.unread)
            && let Some(offer) = &post.offer
        {
            return Poll::Ready(News::Offer(offer.clone()));
        }
        match &mut post.reader {
            Some(reader) => reader.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        Poll::Pending
    }
}

/// Nothing under the lock can panic half-way.
fn lock(post: &Mutex<Post>) -> MutexGuard<'_, Post> {
    post.lock().unwrap_or_else(PoisonError::into_inner)
}
