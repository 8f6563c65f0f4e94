//! The socket of the pages: the only I/O here.

use std::convert::Infallible;
use std::future::Future;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::rt::TokioTimer;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio::time::timeout;

use super::page::Pages;
use crate::server::Stats;

/// Connections at a time; further ones wait in the socket's queue.
const CONNECTIONS: usize = 64;

/// How long a client may take for the head of a request, also of the next one on its connection.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long the last ones that are answered while something is prepared may take for their request.
const LAST: Duration = Duration::from_secs(1);

/// How long nothing is accepted after the system refused: it is out of file descriptors, or of memory.
const PAUSE: Duration = Duration::from_millis(100);

/// Answers on a bound listener, for ever. Dropped, it drops its connections.
pub async fn serve(listener: TcpListener, pages: Pages) {
    answer(&listener, pages, true, &mut JoinSet::new()).await;
}

/// Prepares something, and answers meanwhile: the process is alive, and not ready. Whoever asks for life only would start it
/// anew otherwise, while it waits for others.
pub async fn meanwhile<T>(
    listener: Option<&TcpListener>,
    stats: Arc<Stats>,
    preparing: impl Future<Output = T>,
) -> T {
    let (_worlds, world) = watch::channel(None);
    let (_stop, stopping) = watch::channel(false);
    let pages = Pages::new(stats, Arc::default(), Arc::default(), world, stopping);
    let mut connections = JoinSet::new();
    let answering = async {
        if let Some(listener) = listener {
            // One request each, so that all of them end.
            answer(listener, pages, false, &mut connections).await;
        }
        pending().await
    };
    let prepared = tokio::select! {
        prepared = preparing => prepared,
        never = answering => never,
    };
    // Whoever was let in gets an answer; the others are in the queue of the socket.
    let answered = async { while connections.join_next().await.is_some() {} };
    timeout(LAST, answered).await.ok();
    prepared
}

async fn answer(
    listener: &TcpListener,
    pages: Pages,
    keep_alive: bool,
    connections: &mut JoinSet<()>,
) {
    let pages = Arc::new(pages);
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&free).acquire_owned().await else {
            return; // Nobody closes it.
        };
        let socket = match listener.accept().await {
            Ok((socket, _)) => socket,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection to the admin address");
                sleep(PAUSE).await;
                continue;
            }
        };
        while connections.try_join_next().is_some() {}
        let pages = Arc::clone(&pages);
        connections.spawn(async move {
            let answer = service_fn(|request| {
                let page = pages.answer(request.method(), request.uri().path());
                async { Ok::<_, Infallible>(page) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .keep_alive(keep_alive)
                .header_read_timeout(PATIENCE)
                .serve_connection(TokioIo::new(socket), answer);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to the admin address failed");
            }
            drop(permit);
        });
    }
}
