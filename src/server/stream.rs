//! What a client needs to know of a protocol variant.

use std::borrow::Cow;
use std::sync::Arc;

use prost::Message;
use tokio::time::Instant;

use super::session::Session;
use super::substream::Entry;
use crate::proto::envoy::config::core::v3::Node;
use crate::snapshot::Resource;
use crate::snapshot::ResourceType;
use crate::snapshot::Snapshot;
use crate::snapshot::Version;

/// One of the two protocol variants, as the state of one stream.
pub(super) trait Stream: Default + Send + 'static {
    /// What the client sends.
    type Request: Message + Default + 'static;
    /// Which of the two it is.
    const VARIANT: Variant;

    /// What both variants have in common.
    fn session(&self) -> &Session;
    /// The same, to be changed.
    fn session_mut(&mut self) -> &mut Session;

    /// The node of a request.
    fn node(request: &Self::Request) -> Option<&Node>;
    /// The type that a request is about, to be filled in where it may be left out.
    fn request_type(request: &mut Self::Request) -> &mut String;
    /// The nonce that a request answers; empty if it answers none.
    fn request_nonce(request: &Self::Request) -> &str;
    /// How many bytes [`encode`](Self::encode) writes.
    fn size(response: &Response) -> usize;
    /// Writes a response as the message of this variant, its nonce left out.
    fn encode(response: &Response, to: &mut Vec<u8>);

    /// A request came. One request may answer a response and change the subscription.
    fn on_request(&mut self, request: Self::Request) -> Outcome;
    /// What the client is to have from now on.
    fn set_snapshot(&mut self, snapshot: Arc<Snapshot>, now: Instant) {
        self.session_mut().set_snapshot(snapshot, now);
    }
    /// The next response; to be called until there is none, and again after anything happened.
    fn next_response(&mut self, now: Instant) -> Option<Response>;
    /// Bytes that the client's names take.
    fn names_size(&self) -> usize {
        self.session().names_size()
    }
    /// What the client was sent, and what it said of it.
    fn report(&self) -> Vec<Entry> {
        self.session().report()
    }
    /// When to ask again although nothing happened.
    fn deadline(&self, now: Instant) -> Option<Instant> {
        self.session().deadline(now)
    }
    /// How far the delivery of a type is, if the client asked for it.
    fn progress(&self, ty: ResourceType) -> Option<Progress> {
        self.session().progress(ty)
    }
}

/// What a client is sent, in either variant.
#[derive(Debug)]
pub(super) struct Response {
    /// The type, which may be one that is not served.
    pub(super) type_url: Cow<'static, str>,
    /// Never used twice on a stream.
    pub(super) nonce: u64,
    /// What an operator knows it by: equal content has an equal version.
    pub(super) version: Version,
    /// Names and contents.
    pub(super) resources: Vec<(Arc<str>, Resource)>,
    /// Names that are gone: told by the incremental variant only.
    pub(super) removed: Vec<Arc<str>>,
}

/// A variant of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// State of the world.
    Sotw,
    /// Incremental.
    Delta,
}

impl Variant {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Sotw, Self::Delta];

    /// The word in metrics, tables and the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sotw => "sotw",
            Self::Delta => "delta",
        }
    }
}

/// How far a delivery is; the later, the worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Progress {
    /// The client has the newest configuration, and has accepted it.
    InSync,
    /// Something is still to be sent, or to be answered.
    Pending,
    /// The client rejected a part of what it is to have, and nothing better was there to send since.
    Rejected,
}

/// What a request said of the responses before it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nothing, or nothing new.
    Subscribed,
    /// A response was accepted.
    Accepted(ResourceType),
    /// A response was rejected.
    Rejected {
        /// Its type.
        ty: ResourceType,
        /// Why.
        message: String,
    },
    /// It answers an older response, so all of it is out of date.
    Stale(ResourceType),
    /// It asks for a type that is not served.
    UnknownType,
}
