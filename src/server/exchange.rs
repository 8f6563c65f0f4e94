//! A stream as the body of a response: it reads requests and news, and yields messages while the client takes them.
//!
//! There is no task for it, and no queue: whoever sends the body asks for the next frame when there is room for one.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::task::Context;
use std::task::Poll;
use std::task::ready;

use bytes::Bytes;
use http::HeaderMap;
use http_body::Body;
use http_body::Frame;
use tokio::time::Sleep;
use tonic::Code;
use tonic::Status;
use tracing::Span;

use super::client::Client;
use super::clients::Listed;
use super::encode::Encoder;
use super::feed::Feed;
use super::letterbox::News;
use super::message::Messages;
use super::stream::Stream;

/// Requests that are read in a row before somebody else has a turn.
const AT_ONCE: usize = 64;

/// A stream and its two directions.
pub(super) struct Exchange<S: Stream> {
    pub(super) inbound: Messages,
    pub(super) feed: Feed,
    pub(super) client: Arc<Mutex<Client<S>>>,
    pub(super) encoder: Arc<Encoder>,
    pub(super) span: Span,
    pub(super) _listed: Listed,
    pub(super) outbound: Outbound,
}

/// What is about to be sent, and whether there is anything.
#[derive(Debug, Default)]
pub(super) struct Outbound {
    /// What is left of a message that was begun.
    rest: Option<Bytes>,
    /// Nothing happened since there was nothing to send.
    idle: bool,
    /// When there may be something to send although nothing happens.
    timer: Option<Pin<Box<Sleep>>>,
    /// The client has no more to say: it is sent what it is owed, and that is all.
    half_closed: bool,
    /// The last frame was given away.
    ended: bool,
}

impl<S: Stream> Body for Exchange<S> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        if let Some(frame) = this.outbound.rest.take() {
            return Poll::Ready(Some(Ok(Frame::data(frame))));
        }
        if this.outbound.ended {
            return Poll::Ready(None);
        }
        let span = this.span.clone();
        let _entered = span.enter();
        let frame = match this.exchange(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(data)) => Frame::data(data),
            Poll::Ready(Err(end)) => {
                match end.code() {
                    Code::Ok => tracing::info!("stream closed"),
                    code => tracing::info!(%code, "stream ended"),
                }
                this.outbound.ended = true;
                Frame::trailers(trailers(&end))
            }
        };
        Poll::Ready(Some(Ok(frame)))
    }
}

impl<S: Stream> Exchange<S> {
    /// Takes in all that happened, and yields what there is to send, or how the stream ends.
    fn exchange(&mut self, context: &mut Context<'_>) -> Poll<Result<Bytes, Status>> {
        let Self {
            inbound,
            feed,
            client,
            encoder,
            outbound,
            ..
        } = self;
        let mut client = lock(client);
        loop {
            let mut turns = AT_ONCE;
            while !outbound.half_closed
                && let Poll::Ready(request) = inbound.poll_next(context)
            {
                match request? {
                    Some(request) => client.on_request(request, feed)?,
                    None => outbound.half_closed = true,
                }
                outbound.idle = false;
                turns -= 1;
                if turns == 0 {
                    context.waker().wake_by_ref();
                    break;
                }
            }
            // After the requests: with the first of them the feed begins.
            while let Poll::Ready(news) = feed.poll(context) {
                match news {
                    News::Offer(offer) => client.on_offer(offer),
                    News::Stop => {
                        return Poll::Ready(Err(Status::unavailable("the control plane stops")));
                    }
                }
                outbound.idle = false;
            }
            if !outbound.idle {
                if let Some(message) = client.next_message(encoder) {
                    outbound.rest = message.rest;
                    return Poll::Ready(Ok(message.head));
                }
                outbound.idle = true;
                let deadline = client.rest();
                outbound.timer = deadline.map(|at| Box::pin(tokio::time::sleep_until(at)));
            }
            if outbound.half_closed {
                return Poll::Ready(Err(Status::ok("")));
            }
            match &mut outbound.timer {
                Some(timer) => ready!(timer.as_mut().poll(context)),
                None => return Poll::Pending,
            }
            outbound.idle = false;
        }
    }
}

impl<S: Stream> Drop for Exchange<S> {
    fn drop(&mut self) {
        if !self.outbound.ended {
            let _entered = self.span.enter();
            tracing::info!("stream closed");
        }
    }
}

/// How a stream ends: "Trailers → Status [Status-Message]" ("gRPC over HTTP2").
fn trailers(end: &Status) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    if let Err(error) = end.add_header(&mut trailers) {
        // Only metadata that is no valid header can be at fault, and there is none.
        tracing::debug!(%error, "the status cannot be told");
    }
    trailers
}

/// A client is a set of plain values: one that a panic left half-written is dropped with its stream.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
