//! A connection and its streams in one task.
//!
//! hyper polls a connection, and hands each of its streams to an executor. On a runtime these would be tasks that wake
//! one another for every message. Here they are polled in turn by the task of the connection, so that a change, its way
//! to the socket and the answer are each one wake-up.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::pin::pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::task::Context;
use std::task::Poll;
use std::task::Wake;
use std::task::Waker;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hyper::rt::Executor;

/// How often everything is polled in a row before another task has a turn.
const ROUNDS: usize = 8;

/// Streams that are polled whenever anything happens on their connection: finding out which of so few it concerns would
/// cost more. A sidecar has one.
const FEW: usize = 4;

type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Takes the streams of one connection, and is what all of them ring when they can go on.
#[derive(Clone, Default)]
pub(super) struct SameTask(Arc<Bell>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for SameTask {
    fn execute(&self, job: F) {
        self.0.lock().jobs.push(Box::pin(job));
    }
}

impl SameTask {
    /// Runs a connection with its streams until it is over. Once `stopped` completes, the connection is told to `stop`,
    /// which it does as soon as its streams are over.
    pub(super) async fn run<C: Future>(
        self,
        mut connection: Pin<&mut C>,
        stopped: impl Future<Output = ()>,
        stop: impl Fn(Pin<&mut C>),
    ) -> C::Output {
        let bell = self.0;
        let [on_connection, on_streams, on_stop] =
            [CONNECTION, STREAMS, STOP].map(|part| Waker::from(bell.part(part)));
        let mut stopped = pin!(stopped);
        let mut streams = Streams::default();
        std::future::poll_fn(|context| {
            bell.answer(context.waker());
            for _ in 0..ROUNDS {
                let Some(rung) = bell.rung() else {
                    return Poll::Pending;
                };
                if rung & STOP != 0
                    && let Poll::Ready(()) =
                        stopped.as_mut().poll(&mut Context::from_waker(&on_stop))
                {
                    stop(connection.as_mut());
                    // What it has to say goes out when it is polled.
                    on_connection.wake_by_ref();
                }
                if rung & CONNECTION != 0 {
                    let context = &mut Context::from_waker(&on_connection);
                    if let Poll::Ready(output) = connection.as_mut().poll(context) {
                        // A stream that was never polled holds the bell, and the bell holds it. It may ring while it
                        // is dropped, so the lock is given back before.
                        let never_polled = mem::take(&mut bell.lock().jobs);
                        drop(never_polled);
                        return Poll::Ready(output);
                    }
                }
                let jobs = mem::take(&mut bell.lock().jobs);
                let new = streams.take(jobs);
                if new || rung & STREAMS != 0 {
                    streams.poll(&mut Context::from_waker(&on_streams));
                }
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await
    }
}

/// The streams of a connection.
#[derive(Default)]
struct Streams {
    few: Vec<Job>,
    /// Those beyond: of many, only those are polled that can go on.
    many: Option<FuturesUnordered<Job>>,
}

impl Streams {
    /// Takes new streams; whether there are any.
    fn take(&mut self, jobs: Vec<Job>) -> bool {
        let new = !jobs.is_empty();
        for job in jobs {
            match &mut self.many {
                None if self.few.len() < FEW => self.few.push(job),
                many => many.get_or_insert_default().push(job),
            }
        }
        new
    }

    fn poll(&mut self, context: &mut Context<'_>) {
        self.few
            .retain_mut(|job| job.as_mut().poll(context).is_pending());
        if let Some(many) = &mut self.many {
            while let Poll::Ready(Some(())) = many.poll_next_unpin(context) {}
            if many.is_empty() {
                self.many = None;
            }
        }
    }
}

/// What rings: the connection, its streams, or the stop. Only what rang is polled.
const CONNECTION: u8 = 1;
const STREAMS: u8 = 2;
const STOP: u8 = 4;

/// What a connection and its streams ring when they can go on. While they are being polled, that wakes nobody.
#[derive(Default)]
struct Bell(Mutex<State>);

struct State {
    task: Option<Waker>,
    jobs: Vec<Job>,
    /// The task will look at what rang before it rests.
    awake: bool,
    rung: u8,
}

impl Default for State {
    fn default() -> Self {
        Self {
            task: None,
            jobs: Vec::new(),
            awake: true,
            rung: CONNECTION | STREAMS | STOP,
        }
    }
}

/// One part of what rings.
struct Part(Arc<Bell>, u8);

impl Bell {
    /// Nothing under this lock can panic half-way.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn part(self: &Arc<Self>, part: u8) -> Arc<Part> {
        Arc::new(Part(Arc::clone(self), part))
    }

    /// From now on this task is woken.
    fn answer(&self, waker: &Waker) {
        let mut state = self.lock();
        state.awake = true;
        match &mut state.task {
            Some(task) => task.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }

    /// What rang, and is about to be polled; if nothing did, the task rests.
    fn rung(&self) -> Option<u8> {
        let mut state = self.lock();
        let rung = mem::take(&mut state.rung);
        state.awake = rung != 0;
        state.awake.then_some(rung)
    }
}

impl Wake for Part {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let Self(bell, part) = &**self;
        let mut state = bell.lock();
        state.rung |= part;
        if !mem::replace(&mut state.awake, true)
            && let Some(task) = &state.task
        {
            task.wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::future::pending;
    use std::future::poll_fn;
    use std::pin::Pin;
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering;
    use std::task::Context;
    use std::task::Poll;
    use std::task::Waker;

    use hyper::rt::Executor;
    use tokio::sync::oneshot;

    use super::SameTask;

    /// A connection that opens so many streams, and is over when it was told to stop and they are.
    struct Connection {
        tasks: SameTask,
        open: Arc<AtomicUsize>,
        streams: Vec<oneshot::Receiver<()>>,
        stopping: bool,
    }

    impl Future for Connection {
        type Output = &'static str;

        fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<&'static str> {
            for stream in std::mem::take(&mut self.streams) {
                self.open.fetch_add(1, Ordering::Relaxed);
                let open = Arc::clone(&self.open);
                let connection = context.waker().clone();
                self.tasks.execute(async move {
                    stream.await.ok();
                    open.fetch_sub(1, Ordering::Relaxed);
                    connection.wake();
                });
            }
            match self.stopping && self.open.load(Ordering::Relaxed) == 0 {
                true => Poll::Ready("over"),
                false => Poll::Pending,
            }
        }
    }

    #[tokio::test]
    async fn streams_go_on_when_they_can_and_the_connection_ends_after_them() {
        for count in [0, 1, 3, 40] {
            let (ends, streams): (Vec<_>, Vec<_>) = (0..count).map(|_| oneshot::channel()).unzip();
            let (stop, stopped) = oneshot::channel::<()>();
            let (tasks, open) = (SameTask::default(), Arc::<AtomicUsize>::default());
            let connection = Connection {
                tasks: tasks.clone(),
                open: Arc::clone(&open),
                streams,
                stopping: false,
            };
            let task = tokio::spawn(async move {
                let stopped = async {
                    stopped.await.ok();
                };
                tasks
                    .run(pin!(connection), stopped, |mut connection| {
                        connection.stopping = true;
                    })
                    .await
            });
            let becomes = async |expected| {
                while open.load(Ordering::Relaxed) != expected {
                    tokio::task::yield_now().await;
                }
            };
            becomes(count).await;
            let mut ends = ends.into_iter();
            for left in (count.min(20)..count).rev() {
                ends.next().unwrap().send(()).unwrap();
                becomes(left).await;
            }
            stop.send(()).unwrap();
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
            assert_eq!(task.is_finished(), count == 0, "{count} streams");
            ends.for_each(|end| end.send(()).unwrap());
            // The connection was polled before its streams, and has to be polled after them.
            assert_eq!(task.await.unwrap(), "over");
        }
    }

    #[tokio::test]
    async fn nobody_is_woken_for_what_rings_while_it_is_polled() {
        let polls = Arc::<AtomicUsize>::default();
        let tasks = SameTask::default();
        let count = Arc::clone(&polls);
        let connection = poll_fn(move |context| {
            // It rings twice, and then has nothing to do.
            if count.fetch_add(1, Ordering::Relaxed) < 2 {
                context.waker().wake_by_ref();
            }
            Poll::<()>::Pending
        });
        let mut connection = pin!(connection);
        let run = pin!(tasks.run(connection.as_mut(), pending(), |_| {}));
        let once = run.poll(&mut Context::from_waker(Waker::noop()));
        assert!(once.is_pending());
        assert_eq!(polls.load(Ordering::Relaxed), 3);
    }

    /// Rings when it is dropped, as a stream of HTTP/2 does.
    struct Rings(Waker);

    impl Drop for Rings {
        fn drop(&mut self) {
            self.0.wake_by_ref();
        }
    }

    #[tokio::test]
    async fn a_connection_may_end_with_streams_that_were_never_polled() {
        let tasks = SameTask::default();
        let executor = tasks.clone();
        let connection = poll_fn(move |context| {
            let stream = Rings(context.waker().clone());
            executor.execute(async move {
                pending::<()>().await;
                drop(stream);
            });
            Poll::Ready("over")
        });
        let ended = tasks.run(pin!(connection), pending(), |_| {}).await;
        assert_eq!(ended, "over");
    }
}
