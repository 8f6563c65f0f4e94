//! A steady load on both Envoys, and a journal of what was changed meanwhile.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio::time::MissedTickBehavior;
use tokio::time::interval;

use crate::rig::caller::Answer;
use crate::rig::caller::Caller;

/// Connections to each Envoy.
const CONNECTIONS: usize = 6;
/// Between two requests on a connection. A late answer delays no other request for long: what was missed is made up for.
const PERIOD: Duration = Duration::from_millis(20);
/// Every other request carries this much.
const BODY: [u8; 2_000] = [b'x'; 2_000];

/// What was changed, when, and what failed after it.
#[derive(Debug)]
pub(crate) struct Journal {
    start: Instant,
    changes: Mutex<Vec<(Duration, String)>>,
    failures: Mutex<Vec<String>>,
    answers: AtomicU64,
    stop: AtomicBool,
}

impl Journal {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            start: Instant::now(),
            changes: Mutex::default(),
            failures: Mutex::default(),
            answers: AtomicU64::default(),
            stop: AtomicBool::default(),
        })
    }

    /// Since the load began.
    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// This is being changed now.
    pub(crate) fn changing(&self, what: String) {
        self.changes.lock().unwrap().push((self.elapsed(), what));
    }

    fn failed(&self, who: &str, asked: Duration, what: &str) {
        let now = self.elapsed();
        let changes = self.changes.lock().unwrap();
        let last: Vec<_> = changes.iter().rev().take(3).collect();
        let failure = format!(
            "{who}, asked at {asked:?}, answered at {now:?}: {what}\n  the last changes: {last:#?}"
        );
        self.failures.lock().unwrap().push(failure);
    }

    /// Requests that were answered well.
    pub(crate) fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    /// What failed so far.
    pub(crate) fn failures(&self) -> Vec<String> {
        self.failures.lock().unwrap().clone()
    }
}

/// The load on one Envoy or several.
#[derive(Debug)]
pub(crate) struct Load {
    journal: Arc<Journal>,
    tasks: JoinSet<()>,
}

impl Load {
    /// Starts it. The hosts are asked in turn, and a good answer comes from a service that is named after its host.
    pub(crate) fn start(
        journal: &Arc<Journal>,
        proxies: impl IntoIterator<Item = (String, SocketAddr)>,
        hosts: &'static [&'static str],
    ) -> Self {
        let mut tasks = JoinSet::new();
        for (who, proxy) in proxies {
            for number in 0..CONNECTIONS {
                let journal = Arc::clone(journal);
                let who = format!("{who}, connection {number}");
                tasks.spawn(connection(journal, who, proxy, hosts));
            }
        }
        let journal = Arc::clone(journal);
        Self { journal, tasks }
    }

    /// Ends it; every request is answered before.
    pub(crate) async fn stop(mut self) {
        self.journal.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
    }
}

async fn connection(
    journal: Arc<Journal>,
    who: String,
    proxy: SocketAddr,
    hosts: &'static [&'static str],
) {
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut caller = Caller::connect(proxy).await;
    for (number, host) in hosts.iter().cycle().enumerate() {
        ticks.tick().await;
        if journal.stop.load(Ordering::Relaxed) {
            return;
        }
        let (method, body) = match number % 2 {
            0 => ("GET", &[][..]),
            _ => ("POST", &BODY[..]),
        };
        let asked = journal.elapsed();
        let answer = caller.call(method, &format!("http://{host}/"), body).await;
        match answer {
            Ok(answer) if is_of(host, &answer) => {
                journal.answers.fetch_add(1, Ordering::Relaxed);
            }
            Ok(answer) => journal.failed(&who, asked, &format!("{host}: {answer:?}")),
            Err(error) => {
                journal.failed(&who, asked, &format!("{host}: {error}"));
                caller = Caller::connect(proxy).await;
            }
        }
    }
}

fn is_of(host: &str, answer: &Answer) -> bool {
    let by = answer.headers().get("x-served-by");
    let by = by.and_then(|by| by.to_str().ok()).unwrap_or_default();
    answer.status() == 200 && by.starts_with(host)
}
