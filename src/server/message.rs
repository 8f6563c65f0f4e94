//! The requests of a stream, read off its HTTP/2 data.

use std::pin::Pin;
use std::task::Context;
use std::task::Poll;
use std::task::ready;

use bytes::Buf;
use bytes::Bytes;
use http_body::Body;
use hyper::body::Incoming;
use prost::Message;
use tonic::Status;

/// The largest request that is read: 100 000 names of 160 bytes.
pub(super) const MAX_REQUEST: usize = 16 << 20;

/// "Length-Prefixed-Message → Compressed-Flag Message-Length Message" ("gRPC over HTTP2").
const PREFIX: usize = 5;

/// How much room is made for a message before any of it has come: what a client announces, it need not send.
const ROOM: usize = 64 << 10;

/// The messages of one direction of a stream.
#[derive(Debug)]
pub(super) struct Messages<B = Incoming> {
    body: B,
    /// What was received and not yet read.
    chunk: Bytes,
    /// The beginning of a message that came in several chunks. It goes when the message is whole: an idle stream holds no
    /// buffer, and the first message of an Envoy is 60 KB.
    begun: Vec<u8>,
}

impl<B> Messages<B>
where
    B: Body<Data = Bytes, Error: std::fmt::Display> + Unpin,
{
    pub(super) fn new(body: B) -> Self {
        Self {
            body,
            chunk: Bytes::new(),
            begun: Vec::new(),
        }
    }

    /// The next message; `None` when the client has no more to say.
    ///
    /// # Errors
    ///
    /// If what comes is no message, or one that is too large, or the transport fails. There is no way on from there.
    pub(super) fn poll_next<M: Message + Default>(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<M>, Status>> {
        loop {
            if let Some(message) = self.take()? {
                return Poll::Ready(Ok(Some(message)));
            }
            self.begun.extend_from_slice(&self.chunk);
            self.chunk = Bytes::new();
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => self.chunk = frame.into_data().unwrap_or_default(),
                Some(Err(error)) => return Poll::Ready(Err(Status::cancelled(error.to_string()))),
                None if self.begun.is_empty() => return Poll::Ready(Ok(None)),
                None => {
                    let end = "the stream ends in the middle of a request";
                    return Poll::Ready(Err(Status::invalid_argument(end)));
                }
            }
        }
    }

    /// The first message of what was received, if all of it is there.
    fn take<M: Message + Default>(&mut self) -> Result<Option<M>, Status> {
        if self.begun.is_empty() {
            let Some(size) = size(&self.chunk)? else {
                return Ok(None);
            };
            let end = PREFIX + size;
            let Some(content) = self.chunk.get(PREFIX..end) else {
                self.begun.reserve(end.min(ROOM));
                return Ok(None);
            };
            let message = decode(content)?;
            self.chunk.advance(end);
            return Ok(Some(message));
        }
        while self.begun.len() < PREFIX && self.chunk.has_remaining() {
            self.begun.push(self.chunk.get_u8());
        }
        let Some(size) = size(&self.begun)? else {
            return Ok(None);
        };
        let missing = (PREFIX + size).saturating_sub(self.begun.len());
        let Some(rest) = self.chunk.get(..missing) else {
            return Ok(None);
        };
        self.begun.extend_from_slice(rest);
        self.chunk.advance(missing);
        let message = decode(self.begun.get(PREFIX..).unwrap_or_default())?;
        self.begun = Vec::new();
        Ok(Some(message))
    }
}

/// The size of the message that begins here, if its prefix is there.
fn size(received: &[u8]) -> Result<Option<usize>, Status> {
    let Some((&[compressed, a, b, c, d], _)) = received.split_first_chunk::<PREFIX>() else {
        return Ok(None);
    };
    if compressed != 0 {
        // "If the Compressed-Flag is set and no encoding was agreed: INTERNAL"; of one that was announced: UNIMPLEMENTED.
        return Err(Status::unimplemented("compressed requests are not read"));
    }
    let size = u32::from_be_bytes([a, b, c, d]) as usize;
    if size > MAX_REQUEST {
        return Err(Status::resource_exhausted(format!(
            "a request of {size} bytes is more than {MAX_REQUEST}"
        )));
    }
    Ok(Some(size))
}

/// From a slice: a message that was decoded from shared bytes would keep all of them alive.
fn decode<M: Message + Default>(content: &[u8]) -> Result<M, Status> {
    M::decode(content)
        .map_err(|error| Status::invalid_argument(format!("no valid request: {error}")))
}
