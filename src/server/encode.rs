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

use super::message::PREFIX;
use super::stream::Response;
use super::stream::Stream;
use crate::snapshot::Resource;

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
            field => field.size_even_empty(),
        }
    }

    /// What the field takes; a field that is repeated is there even if it is empty.
    pub(super) fn size_even_empty(self) -> usize {
        key_len(self.0) + encoded_len_varint(self.1 as u64) + self.1
    }

    /// Writes what stands before the bytes of a field.
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

/// The size of a resource as a `google.protobuf.Any`.
pub(super) fn any(type_url: &str, resource: &Resource) -> usize {
    Field(1, type_url.len()).size() + Field(2, resource.body.len()).size()
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
        let content = shared
            .as_ref()
            .map_or_else(|| S::size(response), Bytes::len);
        let own = if shared.is_some() { 0 } else { content };
        let nonce_field = Field(NONCE, nonce.len()).size();
        let size = nonce_field + content;
        let mut head = Vec::with_capacity(PREFIX + nonce_field + own);
        // "Length-Prefixed-Message → Compressed-Flag Message-Length Message", "gRPC over HTTP2".
        head.put_u8(0);
        head.put_u32(u32::try_from(size).unwrap_or(u32::MAX));
        put(NONCE, nonce.as_bytes(), &mut head);
        if shared.is_none() {
            S::encode(response, &mut head);
        }
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
        let mut content = Vec::with_capacity(S::size(response));
        S::encode(response, &mut content);
        let content = Bytes::from(content);
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

/// What a response says, but for its nonce: equal identity means equal content. A body is known by where it is, since
/// groups share what they have in common; with its version, should something else be there later.
fn identity<S: Stream>(response: &Response) -> u128 {
    let mut hash = Xxh3::new();
    let mut add = |bytes: &[u8]| {
        hash.update(&bytes.len().to_le_bytes());
        hash.update(bytes);
    };
    add(S::VARIANT.as_str().as_bytes());
    add(response.type_url.as_bytes());
    add(response.version.as_str().as_bytes());
    add(&response.resources.len().to_le_bytes());
    for (name, resource) in &response.resources {
        add(name.as_bytes());
        add(resource.version.as_str().as_bytes());
        add(&resource.body.len().to_le_bytes());
        add(&resource.body.as_ptr().addr().to_le_bytes());
    }
    for name in &response.removed {
        add(name.as_bytes());
    }
    hash.digest128()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use proptest::prelude::*;
    use prost::Message;

    use super::Encoder;
    use super::KEPT;
    use super::Recent;
    use crate::proto::envoy::service::discovery::v3 as discovery;
    use crate::proto::envoy::service::discovery::v3::DeltaDiscoveryResponse;
    use crate::proto::envoy::service::discovery::v3::DiscoveryResponse;
    use crate::proto::google::protobuf::Any;
    use crate::server::delta::Delta;
    use crate::server::sotw::Sotw;
    use crate::server::stream::Response;
    use crate::snapshot::Resource;
    use crate::snapshot::ResourceType;
    use crate::snapshot::Version;

    /// What a client reads.
    fn received(message: super::Message) -> Bytes {
        let (head, rest) = (message.head, message.rest.unwrap_or_default());
        let (prefix, head) = head.split_at(5);
        assert_eq!(prefix[0], 0, "not compressed");
        let size = u32::from_be_bytes(prefix[1..].try_into().unwrap());
        let message = [head, &rest].concat();
        assert_eq!(message.len(), size as usize);
        message.into()
    }

    fn response(nonce: u64, resources: &[(String, usize)], removed: &[String]) -> Response {
        let resources = resources.iter().map(|(name, size)| {
            let body = Bytes::from(vec![7; *size]);
            let version = Version::of(&body);
            (Arc::from(name.as_str()), Resource { version, body })
        });
        Response {
            type_url: ResourceType::Cluster.type_url().into(),
            nonce,
            version: Version::chosen("of all"),
            resources: resources.collect(),
            removed: removed.iter().map(|name| name.as_str().into()).collect(),
        }
    }

    fn any((_, resource): &(Arc<str>, Resource)) -> Any {
        Any {
            type_url: ResourceType::Cluster.type_url().to_owned(),
            value: resource.body.clone(),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_client_reads_what_was_meant(
            nonce: u64,
            // Names may be empty, and so may bodies; some responses are long enough to be shared.
            resources in proptest::collection::vec((".{0,5}", 0usize..900), 0..4),
            removed in proptest::collection::vec(".{0,3}", 0..3),
        ) {
            let response = response(nonce, &resources, &removed);
            let encoder = Encoder::default();
            for _ in 0..2 {
                let sotw = received(encoder.message::<Sotw>(&response));
                prop_assert_eq!(DiscoveryResponse::decode(sotw).unwrap(), DiscoveryResponse {
                    version_info: "of all".to_owned(),
                    resources: response.resources.iter().map(any).collect(),
                    type_url: response.type_url.to_string(),
                    nonce: nonce.to_string(),
                    ..DiscoveryResponse::default()
                });
                let delta = received(encoder.message::<Delta>(&response));
                prop_assert_eq!(DeltaDiscoveryResponse::decode(delta).unwrap(), DeltaDiscoveryResponse {
                    system_version_info: "of all".to_owned(),
                    resources: response.resources.iter().map(|each| discovery::Resource {
                        name: each.0.to_string(),
                        version: each.1.version.to_string(),
                        resource: Some(any(each)),
                        ..discovery::Resource::default()
                    }).collect(),
                    type_url: response.type_url.to_string(),
                    removed_resources: removed.clone(),
                    nonce: nonce.to_string(),
                    ..DeltaDiscoveryResponse::default()
                });
            }
        }
    }

    #[test]
    fn what_many_are_sent_is_there_once() {
        let encoder = Encoder::default();
        let mut response = response(1, &[("a".to_owned(), 5_000)], &[]);
        let one = encoder.message::<Delta>(&response).rest.unwrap();
        response.nonce = 22;
        let other = encoder.message::<Delta>(&response).rest.unwrap();
        assert_eq!(one.as_ptr(), other.as_ptr());
        let sotw = encoder.message::<Sotw>(&response).rest.unwrap();
        assert_ne!(sotw, one, "variants are apart");
        // An empty name that is there is not one that is gone.
        response.removed.push("".into());
        let removed = encoder.message::<Delta>(&response).rest.unwrap();
        assert_ne!(removed, one);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut recent = Recent::default();
        for id in 0..40 {
            recent.keep(id, vec![0; 1 << 20].into());
        }
        assert_eq!((recent.size, recent.contents.len()), (KEPT, 32));
        assert!(recent.contents.contains_key(&39) && !recent.contents.contains_key(&7));
    }
}
