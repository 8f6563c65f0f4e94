//! One connection, until its peer leaves it, is quiet for too long, or the server stops.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::Response;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioExecutor;
use hyper_util::rt::TokioIo;
use hyper_util::rt::TokioTimer;
use hyper_util::server::conn::auto;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio::time::sleep_until;
use tokio::time::timeout;

/// How long a new connection may take for its first whole question.
const FIRST: Duration = Duration::from_secs(5);
/// How long a connection may be without a whole question afterwards.
const IDLE: Duration = Duration::from_secs(60);
/// How long a question that comes in the moment of closing may take.
const PARTING: Duration = Duration::from_secs(5);
/// Questions at a time on one connection.
const STREAMS: u32 = 8;
/// Bytes that may arrive of a question before they are read.
const WINDOW: u32 = 32 << 10;

/// Until when a connection may be quiet.
pub(super) type Until = watch::Sender<Instant>;

/// A whole question has come.
pub(super) fn asked(until: &Until) {
    until.send_replace(Instant::now() + IDLE);
}

/// Serves a connection; `respond` is to call [`asked`]. True if it was closed because it was quiet.
pub(super) async fn attend<I, R, F>(
    connection: I,
    mut closing: watch::Receiver<bool>,
    respond: R,
) -> Result<bool, Box<dyn std::error::Error + Send + Sync>>
where
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    R: Fn(Request<Incoming>, Arc<Until>) -> F,
    F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    let until = Arc::new(watch::Sender::new(Instant::now() + FIRST));
    let service = service_fn(|request| {
        let response = respond(request, Arc::clone(&until));
        async move { Ok::<_, Infallible>(response.await) }
    });
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .max_buf_size(WINDOW as usize);
    server
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(IDLE))
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(WINDOW)
        // A question that waits for room holds up no other.
        .initial_connection_window_size(WINDOW * STREAMS);
    let mut connection = pin!(server.serve_connection(TokioIo::new(connection), service));
    let is_quiet = tokio::select! {
        ended = connection.as_mut() => return ended.map(|()| false),
        () = quiet(&until) => true,
        _ = closing.wait_for(|closing| *closing) => false,
    };
    // An answer that is under way is still given.
    connection.as_mut().graceful_shutdown();
    match timeout(PARTING, connection).await {
        Ok(ended) => ended.map(|()| is_quiet),
        Err(_) => Ok(is_quiet),
    }
}

async fn quiet(until: &Until) {
    loop {
        let deadline = *until.borrow();
        if deadline <= Instant::now() {
            return;
        }
        sleep_until(deadline).await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use http::Response;
    use http_body_util::Full;
    use tokio::io::AsyncReadExt;
    use tokio::io::AsyncWriteExt;
    use tokio::io::DuplexStream;
    use tokio::sync::watch;
    use tokio::time::Instant;
    use tokio::time::sleep;

    use super::FIRST;
    use super::IDLE;
    use super::PARTING;
    use super::asked;
    use super::attend;

    fn served() -> DuplexStream {
        let (client, server) = tokio::io::duplex(4096);
        tokio::spawn(async move {
            let (_open, closing) = watch::channel(false);
            let ended = attend(server, closing, |_, until| async move {
                asked(&until);
                Response::new(Full::new(Bytes::from_static(b"yes")))
            });
            drop(ended.await);
        });
        client
    }

    async fn ask(client: &mut DuplexStream) {
        client
            .write_all(b"POST /validate HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n")
            .await
            .unwrap();
        let mut answer = [0; 512];
        let length = client.read(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(answer.get(..length).unwrap()).into_owned();
        assert!(answer.contains("200 OK"), "{answer}");
    }

    /// How long it takes until the server closes.
    async fn closed(client: &mut DuplexStream) -> Duration {
        let start = Instant::now();
        let mut rest = Vec::new();
        drop(client.read_to_end(&mut rest).await);
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_nothing_is_not_kept() {
        // Not a byte, the beginning of a head, and the preface of HTTP/2.
        for said in [
            "",
            "POST /validate HTTP/1.1\r\nhost:",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ] {
            let mut client = served();
            client.write_all(said.as_bytes()).await.unwrap();
            let after = closed(&mut client).await;
            assert!(
                (FIRST..=FIRST + PARTING).contains(&after),
                "{said:?}: {after:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_is_kept_for_a_while() {
        let mut client = served();
        for _ in 0..5 {
            ask(&mut client).await;
            sleep(IDLE - FIRST).await;
        }
        ask(&mut client).await;
        let after = closed(&mut client).await;
        assert!(after >= IDLE && after <= IDLE + PARTING, "{after:?}");
    }
}
