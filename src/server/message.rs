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
pub(super) const PREFIX: usize = 5;

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
        // No encoding is offered, so none can have been agreed.
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

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::Context;
    use std::task::Poll;
    use std::task::Waker;

    use bytes::Bytes;
    use http_body::Body;
    use http_body::Frame;
    use proptest::prelude::*;
    use prost::Message;
    use tonic::Code;

    use super::MAX_REQUEST;
    use super::Messages;
    use crate::proto::envoy::service::discovery::v3::DiscoveryRequest;

    /// What was received, frame by frame.
    struct Received(VecDeque<Bytes>);

    impl Body for Received {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(self.0.pop_front().map(|bytes| Ok(Frame::data(bytes))))
        }
    }

    fn framed(request: &DiscoveryRequest) -> Vec<u8> {
        let size = u32::try_from(request.encoded_len()).unwrap();
        [&[0], &size.to_be_bytes()[..], &request.encode_to_vec()].concat()
    }

    fn read(frames: impl IntoIterator<Item = Vec<u8>>) -> (Vec<DiscoveryRequest>, Option<Code>) {
        let frames = frames.into_iter().map(Bytes::from).collect();
        let mut messages = Messages::new(Received(frames));
        let mut read = Vec::new();
        loop {
            let next = messages.poll_next(&mut Context::from_waker(Waker::noop()));
            match next {
                Poll::Ready(Ok(Some(request))) => read.push(request),
                Poll::Ready(Ok(None)) => return (read, None),
                Poll::Ready(Err(status)) => return (read, Some(status.code())),
                Poll::Pending => panic!("everything is there"),
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn messages_are_read_wherever_they_are_cut(
            names in proptest::collection::vec(".{0,40}", 0..6),
            cuts in proptest::collection::vec(1usize..60, 1..20),
        ) {
            let sent: Vec<_> = names.into_iter().map(|name| DiscoveryRequest {
                resource_names: vec![name],
                ..DiscoveryRequest::default()
            }).collect();
            let bytes: Vec<u8> = sent.iter().flat_map(framed).collect();
            let mut rest = &bytes[..];
            let mut frames = Vec::new();
            for cut in cuts.iter().cycle().take(bytes.len()) {
                let (frame, after) = rest.split_at((*cut).min(rest.len()));
                frames.push(frame.to_vec());
                rest = after;
            }
            prop_assert_eq!(read(frames), (sent, None));
        }
    }

    #[test]
    fn what_is_no_message_is_an_error() {
        let too_large = u32::try_from(MAX_REQUEST + 1).unwrap().to_be_bytes();
        for (bytes, code) in [
            (vec![1, 0, 0, 0, 0], Code::Unimplemented),
            ([&[0], &too_large[..]].concat(), Code::ResourceExhausted),
            (vec![0, 0, 0, 0, 2, 0xff, 0xff], Code::InvalidArgument),
            (vec![0, 0, 0, 0, 9, 1], Code::InvalidArgument),
            (vec![0, 0], Code::InvalidArgument),
        ] {
            assert_eq!(read([bytes.clone()]), (vec![], Some(code)), "{bytes:?}");
        }
    }
}
