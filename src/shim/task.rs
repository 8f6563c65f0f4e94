//! Tasks that end with their owner.

use std::future::Future;

use hyper::rt::Executor;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Ends all tasks when it is dropped.
#[derive(Debug)]
pub(super) struct Lifetime(
    #[expect(dead_code, reason = "only its end is observed")] watch::Sender<()>,
);

/// Spawns tasks that do not outlive a [`Lifetime`].
#[derive(Clone, Debug)]
pub(super) struct Tasks(watch::Receiver<()>);

/// A lifetime, and what spawns tasks within it.
pub(super) fn lifetime() -> (Lifetime, Tasks) {
    let (sender, receiver) = watch::channel(());
    (Lifetime(sender), Tasks(receiver))
}

impl Tasks {
    /// Runs a future until it is done or the lifetime ends.
    pub(super) fn spawn(
        &self,
        future: impl Future<Output = ()> + Send + 'static,
    ) -> JoinHandle<()> {
        let mut alive = self.0.clone();
        tokio::spawn(async move {
            tokio::select! {
                // Nothing is ever sent: this is the end of the sender.
                _ = alive.changed() => {}
                () = future => {}
            }
        })
    }
}

/// What hyper spawns ends with the lifetime as well.
impl<F> Executor<F> for Tasks
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, future: F) {
        self.spawn(future);
    }
}
