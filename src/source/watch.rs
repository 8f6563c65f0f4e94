//! Keeps reading a folder, whenever something in it changes.

use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use notify::EventKind;
use notify::RecommendedWatcher;
use notify::RecursiveMode;
use notify::Watcher;
use notify::event::AccessKind;
use notify::event::AccessMode;
use tokio::sync::Notify;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::Instant;
use tokio::time::Interval;
use tokio::time::MissedTickBehavior;
use tokio::time::interval_at;
use tokio::time::sleep_until;

use super::debounce::Debounce;
use super::folder::open;
use super::folder::read;
use super::objects::State;
use super::stamp::Stamp;

/// How often the folder is looked at without a notification. Some changes give none: behind links that lead out of the
/// folder, on network file systems, and after the folder was removed and made again.
const LOOK: Duration = Duration::from_secs(2);

/// Reads a folder (or a single file), publishes what it holds, and does so again after every change, until nobody
/// listens any more. What is equal to what was published before is not published. Cancel it by dropping.
///
/// # Errors
///
/// If the folder cannot be listed at the start; nothing is published then. Later it is only reported, and the last
/// valid state stays.
pub async fn run(
    path: PathBuf,
    sender: watch::Sender<Option<Arc<State>>>,
) -> Result<(), io::Error> {
    // Before the first read, so that no change falls between the two.
    let mut changes = Changes::of(&path).await?;
    let mut folder = {
        let path = path.clone();
        blocking(move || open(&path)).await??
    };
    loop {
        let changed = sender.send_if_modified(|published| {
            let state = folder.state();
            let differs = published.as_deref() != Some(&state);
            if differs {
                *published = Some(Arc::new(state));
            }
            differs
        });
        if changed {
            tracing::debug!(path = %path.display(), "folder read");
        }
        tokio::select! {
            waited = changes.next() => waited?,
            () = sender.closed() => return Ok(()),
        }
        let path = path.clone();
        folder = blocking(move || read(&path, &folder)).await?;
    }
}

/// Runs what does file I/O. It fails only while the runtime shuts down.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, io::Error> {
    spawn_blocking(work).await.map_err(io::Error::other)
}

/// The changes of a folder, a burst of them at a time.
struct Changes {
    path: PathBuf,
    /// Told by the file system that something has changed.
    told: Arc<Notify>,
    /// Absent if the file system tells nothing; then the regular look has to do.
    _watcher: Option<RecommendedWatcher>,
    /// How the folder looked when the last burst was over.
    stamp: Stamp,
    /// The folder that is watched.
    watched: u64,
    looks: Interval,
}

impl Changes {
    async fn of(path: &Path) -> Result<Self, io::Error> {
        let told = Arc::new(Notify::new());
        let (watcher, stamp) = watcher(path, &told).await?;
        let mut looks = interval_at(Instant::now() + LOOK, LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self {
            path: path.to_owned(),
            told,
            _watcher: watcher,
            stamp,
            watched: stamp.root,
            looks,
        })
    }

    /// Waits for a change, and then until it is quiet.
    async fn next(&mut self) -> Result<(), io::Error> {
        let mut debounce = Debounce::default();
        loop {
            let deadline = debounce.deadline();
            tokio::select! {
                // First, so that notifications without end cannot outrun the limit.
                biased;
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => break,
                () = self.told.notified() => debounce.change(Instant::now()),
                _ = self.looks.tick() => {
                    let stamp = self.look().await?;
                    if stamp != self.stamp && deadline.is_none() {
                        debounce.change(Instant::now());
                    }
                    if stamp.root != self.watched {
                        let (watcher, stamp) = watcher(&self.path, &self.told).await?;
                        self._watcher = watcher;
                        self.watched = stamp.root;
                    }
                }
            }
        }
        // Taken before the folder is read: what is written meanwhile is seen by the next look.
        self.stamp = self.look().await?;
        Ok(())
    }

    async fn look(&self) -> Result<Stamp, io::Error> {
        let path = self.path.clone();
        blocking(move || Stamp::of(&path)).await
    }
}

/// Asks the file system for notifications, and looks at the folder that they are about.
async fn watcher(
    path: &Path,
    told: &Arc<Notify>,
) -> Result<(Option<RecommendedWatcher>, Stamp), io::Error> {
    let path = path.to_owned();
    let told = Arc::clone(told);
    blocking(move || {
        let watcher = notify::recommended_watcher(move |event| {
            if concerns(&event) {
                told.notify_one();
            }
        })
        .and_then(|mut watcher| {
            watcher.watch(&path, RecursiveMode::Recursive)?;
            Ok(watcher)
        });
        let watcher = match watcher {
            Ok(watcher) => Some(watcher),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "no file notifications; looking every {LOOK:?}");
                None
            }
        };
        (watcher, Stamp::of(&path))
    })
    .await
}

/// Whether a notification is about a change. That a file was opened is notified too, and reading the folder opens them
/// all. If notifications were lost, something may have changed.
fn concerns(event: &Result<notify::Event, notify::Error>) -> bool {
    match event {
        Ok(event) => match event.kind {
            EventKind::Access(access) => access == AccessKind::Close(AccessMode::Write),
            _ => true,
        },
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use notify::Event;
    use notify::EventKind;
    use notify::event::AccessKind;
    use notify::event::AccessMode;
    use notify::event::CreateKind;
    use notify::event::RemoveKind;

    use super::concerns;

    #[test]
    fn reading_is_no_change() {
        for (kind, expected) in [
            (EventKind::Access(AccessKind::Open(AccessMode::Any)), false),
            (
                EventKind::Access(AccessKind::Close(AccessMode::Read)),
                false,
            ),
            (
                EventKind::Access(AccessKind::Close(AccessMode::Write)),
                true,
            ),
            (EventKind::Create(CreateKind::File), true),
            (EventKind::Remove(RemoveKind::Folder), true),
            (EventKind::Other, true),
        ] {
            assert_eq!(concerns(&Ok(Event::new(kind))), expected, "{kind:?}");
        }
        assert!(concerns(&Err(notify::Error::generic("overflow"))));
    }
}
