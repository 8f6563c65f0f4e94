//! A connection and its streams in one task.
//!
//! hyper polls a connection, and hands each of its streams to an executor. On a runtime these would be tasks that wake
//! one another for every message. Here they are polled in turn by the task of the connection, so that a change, its way
//! to the socket and the answer are each one wake-up.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering;
use std::task::Context;
use std::task::Poll;
use std::task::Wake;
use std::task::Waker;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hyper::rt::Executor;

/// How often everything is polled in a row before another task has a turn.
const ROUNDS: usize = 8;

type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Takes streams until the task polls them.
#[derive(Clone, Default)]
pub(super) struct SameTask(Arc<Mutex<Vec<Job>>>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for SameTask {
    fn execute(&self, job: F) {
        self.with(|jobs| jobs.push(Box::pin(job)));
    }
}

impl SameTask {
    fn with<T>(&self, f: impl FnOnce(&mut Vec<Job>) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Runs a connection with its streams until it is over. What `on_stop` says is said to the connection once `stopped`
    /// completes.
    pub(super) async fn run<C: Future>(
        self,
        mut connection: Pin<&mut C>,
        stopped: impl Future<Output = ()> + Send + 'static,
        on_stop: impl Fn(Pin<&mut C>),
    ) -> C::Output {
        let mut jobs: FuturesUnordered<Pin<Box<dyn Future<Output = bool> + Send>>> =
            FuturesUnordered::new();
        jobs.push(Box::pin(async {
            stopped.await;
            true
        }));
        let bell = Arc::new(Bell::default());
        let waker = Waker::from(Arc::clone(&bell));
        std::future::poll_fn(|context| {
            bell.answer(context.waker());
            for _ in 0..ROUNDS {
                bell.state.store(POLLING, Ordering::Release);
                let context = &mut Context::from_waker(&waker);
                if let Poll::Ready(output) = connection.as_mut().poll(context) {
                    return Poll::Ready(output);
                }
                for job in self.with(std::mem::take) {
                    jobs.push(Box::pin(async {
                        job.await;
                        false
                    }));
                }
                while let Poll::Ready(Some(stop)) = jobs.poll_next_unpin(context) {
                    if stop {
                        on_stop(connection.as_mut());
                        // What it has to say goes out when it is polled.
                        bell.wake_by_ref();
                    }
                }
                if bell.rest() {
                    return Poll::Pending;
                }
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await
    }
}

/// The task sleeps, and has to be woken.
const RESTING: u8 = 0;
/// The task is polling, and will look whether somebody rang.
const POLLING: u8 = 1;
/// Somebody rang.
const RUNG: u8 = 2;

/// What a connection and its streams ring when they can go on. While they are being polled that wakes nobody.
#[derive(Debug, Default)]
struct Bell {
    state: AtomicU8,
    task: Mutex<Option<Waker>>,
}

impl Bell {
    /// From now on this task is woken.
    fn answer(&self, waker: &Waker) {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *task {
            Some(task) => task.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }

    /// Rests, unless somebody rang meanwhile.
    fn rest(&self) -> bool {
        let (from, to) = (POLLING, RESTING);
        let rested = self
            .state
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire);
        rested.is_ok()
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.swap(RUNG, Ordering::AcqRel) == RESTING {
            let task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(task) = &*task {
                task.wake_by_ref();
            }
        }
    }
}
