//! What the loop of a stream needs to know of a protocol variant.

use std::sync::Arc;

use tokio::time::Instant;

use super::substream::Entry;
use crate::proto::envoy::config::core::v3::Node;
use crate::snapshot::ResourceType;
use crate::snapshot::Snapshot;

/// One of the two protocol variants, as the state of one stream.
pub(super) trait Stream: Default + Send + 'static {
    /// What the client sends.
    type Request: Send + 'static;
    /// What the client is sent.
    type Response: Send + 'static;
    /// Which of the two it is.
    const VARIANT: Variant;

    /// The node of a request.
    fn node(request: &Self::Request) -> Option<&Node>;
    /// The type that a request is about, to be filled in where it may be left out.
    fn request_type(request: &mut Self::Request) -> &mut String;
    /// The type that a response is about.
    fn response_type(response: &Self::Response) -> &str;
    /// The nonce that a request answers; empty if it answers none.
    fn request_nonce(request: &Self::Request) -> &str;
    /// The nonce of a response.
    fn response_nonce(response: &Self::Response) -> &str;
    /// What an operator knows a response by: equal content has an equal version.
    fn response_version(response: &Self::Response) -> &str;
    /// How many resources a response holds.
    fn response_size(response: &Self::Response) -> usize;
    /// How many bytes a response takes, without framing.
    fn response_bytes(response: &Self::Response) -> usize;

    /// A request came. One request may answer a response and change the subscription.
    fn on_request(&mut self, request: Self::Request) -> Outcome;
    /// What the client is to have from now on; whether it is another snapshot than before.
    fn set_snapshot(&mut self, snapshot: Arc<Snapshot>, now: Instant) -> bool;
    /// The next response; to be called until there is none, and again after anything happened.
    fn next_response(&mut self, now: Instant) -> Option<Self::Response>;
    /// Bytes that the client's names take.
    fn names_size(&self) -> usize;
    /// What the client was sent, and what it said of it.
    fn report(&self) -> Vec<Entry>;
    /// When to ask again although nothing happened.
    fn deadline(&self, now: Instant) -> Option<Instant>;
    /// How far the delivery of a type is, if the client asked for it.
    fn progress(&self, ty: ResourceType) -> Option<Progress>;
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
