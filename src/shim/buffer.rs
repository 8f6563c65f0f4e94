//! The bounded buffer between a request and its copy.
//!
//! The writer never waits: what does not fit ends the copy. The reader is the copy's body.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use super::stats::locked;

/// What a chunk costs beside its bytes, so that many small ones cannot grow the buffer without bound.
const OVERHEAD: usize = 64;

/// Why a copy ends before its request did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Cut {
    /// The reader is too slow.
    #[error("the copy is read more slowly than the request is written")]
    Full,
    /// The request itself ended early.
    #[error("the request was aborted")]
    Aborted,
    /// Nobody waits for the copy any more.
    #[error("the copy was given up")]
    GivenUp,
}

enum Piece {
    Data(Bytes),
    Trailers(HeaderMap),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    Complete,
    Cut(Cut),
}

struct Shared {
    pieces: VecDeque<Piece>,
    used: usize,
    limit: usize,
    end: End,
    reader: Option<Waker>,
    guard: Option<Waker>,
}

impl Shared {
    fn wake(&mut self) {
        if let Some(waker) = self.reader.take() {
            waker.wake();
        }
    }

    fn cut(&mut self, cut: Cut) {
        if self.end == End::Open || cut == Cut::GivenUp {
            self.end = End::Cut(cut);
            self.pieces.clear();
            self.wake();
            if let Some(waker) = self.guard.take() {
                waker.wake();
            }
        }
    }
}

/// The request's side.
pub(super) struct Writer(Arc<Mutex<Shared>>);

/// The copy's side: its body.
pub(super) struct Reader {
    shared: Arc<Mutex<Shared>>,
    size: SizeHint,
}

/// Ends the body when the copy is over, whoever still reads it.
pub(super) struct Guard(Arc<Mutex<Shared>>);

/// A buffer of at most `limit` bytes. `size` is what is known of the whole body.
pub(super) fn buffer(limit: usize, size: SizeHint) -> (Writer, Reader, Guard) {
    let shared = Arc::new(Mutex::new(Shared {
        pieces: VecDeque::new(),
        used: 0,
        limit,
        end: End::Open,
        reader: None,
        guard: None,
    }));
    let reader = Reader {
        shared: Arc::clone(&shared),
        size,
    };
    (Writer(Arc::clone(&shared)), reader, Guard(shared))
}

impl Writer {
    /// Adds a chunk if there is room for it, and ends the copy if not.
    pub(super) fn data(&self, chunk: &Bytes) {
        let cost = chunk.len().saturating_add(OVERHEAD);
        self.push(cost, || Piece::Data(chunk.clone()));
    }

    /// Adds trailers.
    pub(super) fn trailers(&self, trailers: &HeaderMap) {
        self.push(OVERHEAD, || Piece::Trailers(trailers.clone()));
    }

    fn push(&self, cost: usize, piece: impl FnOnce() -> Piece) {
        let mut shared = locked(&self.0);
        if shared.end != End::Open {
            return;
        }
        // A single chunk larger than the limit passes if nothing waits before it: the limit is a high watermark.
        if shared.used > 0 && shared.used.saturating_add(cost) > shared.limit {
            shared.cut(Cut::Full);
        } else {
            shared.used = shared.used.saturating_add(cost);
            shared.pieces.push_back(piece());
            shared.wake();
        }
    }

    /// The request ended as it should.
    pub(super) fn complete(&self) {
        let mut shared = locked(&self.0);
        if shared.end == End::Open {
            shared.end = End::Complete;
            shared.wake();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        locked(&self.0).cut(Cut::Aborted);
    }
}

impl Guard {
    /// Waits until the copy is cut. A body that nobody reads cannot tell its reader.
    pub(super) async fn cut(&self) -> Cut {
        poll_fn(|cx| {
            let mut shared = locked(&self.0);
            match shared.end {
                End::Cut(cut) => Poll::Ready(cut),
                End::Open | End::Complete => {
                    shared.guard = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        locked(&self.0).cut(Cut::GivenUp);
    }
}

impl Body for Reader {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let mut shared = locked(&self.shared);
        match shared.pieces.pop_front() {
            Some(Piece::Data(data)) => {
                shared.used = shared
                    .used
                    .saturating_sub(data.len().saturating_add(OVERHEAD));
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
            Some(Piece::Trailers(trailers)) => {
                return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
            }
            None => {}
        }
        match shared.end {
            End::Complete => Poll::Ready(None),
            End::Cut(cut) => Poll::Ready(Some(Err(cut))),
            End::Open => {
                shared.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        let shared = locked(&self.shared);
        shared.end == End::Complete && shared.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.size
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    fn unsized_buffer(limit: usize) -> (Writer, Reader, Guard) {
        buffer(limit, SizeHint::default())
    }

    #[tokio::test]
    async fn a_complete_body_arrives_as_it_was() {
        let (writer, reader, guard) = unsized_buffer(1_000);
        writer.data(&Bytes::from_static(b"ab"));
        writer.data(&Bytes::from_static(b"c"));
        writer.trailers(&HeaderMap::from_iter([(
            http::header::ETAG,
            http::HeaderValue::from_static("x"),
        )]));
        writer.complete();
        drop(writer);
        let whole = reader.collect().await.unwrap();
        assert_eq!(whole.trailers().unwrap()["etag"], "x");
        assert_eq!(whole.to_bytes(), "abc");
        let cut = std::pin::pin!(guard.cut());
        assert!(
            cut.poll(&mut Context::from_waker(Waker::noop()))
                .is_pending()
        );
    }

    #[tokio::test]
    async fn what_does_not_fit_ends_the_copy_and_not_the_writer() {
        let (writer, reader, guard) = unsized_buffer(1_000);
        for _ in 0..100 {
            writer.data(&Bytes::from_static(&[0; 100]));
        }
        assert_eq!(guard.cut().await, Cut::Full);
        assert_eq!(reader.collect().await.unwrap_err(), Cut::Full);
    }

    #[tokio::test]
    async fn many_empty_chunks_do_not_fit_either() {
        let (writer, _reader, guard) = unsized_buffer(1_000);
        for _ in 0..100 {
            writer.data(&Bytes::new());
        }
        assert_eq!(guard.cut().await, Cut::Full);
    }

    #[tokio::test]
    async fn an_aborted_request_aborts_the_copy() {
        let (writer, reader, guard) = unsized_buffer(1_000);
        let reading = tokio::spawn(reader.collect());
        writer.data(&Bytes::from_static(b"ab"));
        drop(writer);
        assert_eq!(reading.await.unwrap().unwrap_err(), Cut::Aborted);
        assert_eq!(guard.cut().await, Cut::Aborted);
    }

    #[tokio::test]
    async fn a_copy_that_is_given_up_ends_its_body() {
        let (writer, mut reader, guard) = unsized_buffer(1_000);
        writer.complete();
        drop(guard);
        assert_eq!(reader.frame().await.unwrap().unwrap_err(), Cut::GivenUp);
    }
}
