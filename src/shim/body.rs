//! Bodies that pass through.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;

use super::buffer::Writer;

/// Any error of a body.
pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Any body.
pub(super) type Body = UnsyncBoxBody<Bytes, BoxError>;

/// A body that is known as a whole.
pub(super) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// A request body that is handed to the copies while it passes. Nothing of it waits for them.
pub(super) struct Tee {
    inner: Incoming,
    copies: Vec<Writer>,
}

impl Tee {
    /// A body, and those who get what it yields.
    pub(super) fn new(inner: Incoming, copies: Vec<Writer>) -> Self {
        let mut tee = Self { inner, copies };
        tee.note_end();
        tee
    }

    /// The reader of a body of known length may stop at its last byte and never ask for the end.
    fn note_end(&mut self) {
        if self.inner.is_end_stream() {
            self.complete();
        }
    }

    fn complete(&mut self) {
        for copy in self.copies.drain(..) {
            copy.complete();
        }
    }
}

impl HttpBody for Tee {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                for copy in &self.copies {
                    if let Some(data) = frame.data_ref() {
                        copy.data(data);
                    } else if let Some(trailers) = frame.trailers_ref() {
                        copy.trailers(trailers);
                    }
                }
                self.note_end();
            }
            Poll::Ready(None) => self.complete(),
            // The copies are dropped with the body, and end as it did.
            Poll::Ready(Some(Err(_))) => self.copies.clear(),
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
