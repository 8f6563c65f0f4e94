//! Responses as bytes: the wire format of both variants, written once for all streams that are sent the same.
//!
//! A gRPC message is its length and its content; the content of two responses to two streams differs in the nonce alone.
//! The fields of a message may stand in any order ("Message Structure" of the protobuf encoding), so the nonce comes
//! first, with the length, and what follows is shared.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::PoisonError;

use bytes::BufMut;
use bytes::Bytes;
use prost::encoding::WireType;
use prost::encoding::encode_key;
use prost::encoding::encode_varint;
use prost::encoding::encoded_len_varint;
use prost::encoding::key_len;
use xxhash_rust::xxh3::Xxh3;

use super::stream::Response;
use super::stream::Stream;

/// The shortest content that is shared. Below it, writing it again is cheaper than looking it up, and one write of the
/// HTTP/2 connection holds all of it.
const WORTH_SHARING: usize = 1 << 10;

/// How much shared content is kept for the next stream. What streams are still being sent lives as long as they need it.
const KEPT: usize = 32 << 20;

/// `nonce` in both `DiscoveryResponse` and `DeltaDiscoveryResponse`.
const NONCE: u32 = 5;

/// A field of a message: its number, and its bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field(pub(super) u32, pub(super) usize);

impl Field {
    /// What the field takes; one that is empty is left out.
    pub(super) fn size(self) -> usize {
        match self {
            Self(_, 0) => 0,
            Self(tag, len) => key_len(tag) + encoded_len_varint(len as u64) + len,
        }
    }

    /// Writes what stands before the bytes of a field that is not empty.
    pub(super) fn begin(self, to: &mut Vec<u8>) {
        encode_key(self.0, WireType::LengthDelimited, to);
        encode_varint(self.1 as u64, to);
    }
}

/// Writes a field, if it is not empty.
pub(super) fn put(tag: u32, content: &[u8], to: &mut Vec<u8>) {
    if !content.is_empty() {
        Field(tag, content.len()).begin(to);
        to.put_slice(content);
    }
}

/// A gRPC message, ready to be sent.
#[derive(Debug)]
pub(super) struct Message {
    /// The first bytes.
    pub(super) head: Bytes,
    /// The rest, if it is shared with other streams.
    pub(super) rest: Option<Bytes>,
    /// How many bytes the message has, without framing.
    pub(super) size: usize,
}

/// What was encoded lately.
#[derive(Debug, Default)]
pub(super) struct Encoder(Mutex<Recent>);

#[derive(Debug, Default)]
struct Recent {
    contents: HashMap<u128, Bytes>,
    /// In the order in which they came.
    order: VecDeque<u128>,
    size: usize,
}

impl Encoder {
    /// The message of a response.
    pub(super) fn message<S: Stream>(&self, response: &Response) -> Message {
        let bodies = response.resources.iter();
        let bodies: usize = bodies.map(|(_, resource)| resource.body.len()).sum();
        let nonce = response.nonce.to_string();
        let shared = (bodies >= WORTH_SHARING).then(|| self.shared::<S>(response));
        let own = match &shared {
            Some(_) => Vec::new(),
            None => S::encode(response),
        };
        let rest = shared.as_ref().map_or(own.len(), Bytes::len);
        let size = Field(NONCE, nonce.len()).size() + rest;
        let mut head = Vec::with_capacity(5 + size - shared.as_ref().map_or(0, Bytes::len));
        // "Length-Prefixed-Message → Compressed-Flag Message-Length Message", "gRPC over HTTP2".
        head.put_u8(0);
        head.put_u32(u32::try_from(size).unwrap_or(u32::MAX));
        put(NONCE, nonce.as_bytes(), &mut head);
        head.put_slice(&own);
        Message {
            head: head.into(),
            rest: shared,
            size,
        }
    }

    fn shared<S: Stream>(&self, response: &Response) -> Bytes {
        let id = identity::<S>(response);
        if let Some(content) = self.with(|recent| recent.contents.get(&id).cloned()) {
            return content;
        }
        // Two streams may do so at once; that costs time and nothing else.
        let content = Bytes::from(S::encode(response));
        self.with(|recent| recent.keep(id, content.clone()));
        content
    }

    fn with<T>(&self, f: impl FnOnce(&mut Recent) -> T) -> T {
        // Nothing in here can panic half-way.
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Recent {
    fn keep(&mut self, id: u128, content: Bytes) {
        let size = content.len();
        if size > KEPT || self.contents.insert(id, content).is_some() {
            return;
        }
        self.order.push_back(id);
        self.size += size;
        while self.size > KEPT {
            let oldest = self.order.pop_front();
            let gone = oldest.and_then(|id| self.contents.remove(&id));
            self.size -= gone.map_or(0, |content| content.len());
        }
    }
}

/// What a response says, but for its nonce: equal content has an equal identity.
fn identity<S: Stream>(response: &Response) -> u128 {
    let mut hash = Xxh3::new();
    let mut add = |text: &str| {
        hash.update(&text.len().to_le_bytes());
        hash.update(text.as_bytes());
    };
    add(S::VARIANT.as_str());
    add(&response.type_url);
    add(response.version.as_str());
    for (name, resource) in &response.resources {
        add(name);
        add(resource.version.as_str());
    }
    add("");
    for name in &response.removed {
        add(name);
    }
    hash.digest128()
}
