//! The client of a stream: who it is, what it asks, and what it is to be sent.

use std::sync::Arc;

use tokio::time::Instant;
use tonic::Status;

use super::clients;
use super::encode::Encoder;
use super::encode::Message;
use super::feed::Feed;
use super::gate::Guest;
use super::journal::Journal;
use super::journal::Standing;
use super::letterbox::Offer;
use super::node::Node;
use super::roster::Look;
use super::roster::Sidecar;
use super::stream::Outcome;
use super::stream::Stream;
use crate::snapshot::ResourceType;

/// Bytes of the names that a stream may be subscribed to at a time: more than twice the largest request, and a bound on
/// what one client can make the server hold.
const MAX_NAMES: usize = 40 << 20;

/// Who is at the other end of a stream, and what is known of it.
pub(super) struct Client<S> {
    guest: Guest,
    journal: Journal,
    node: Option<Node>,
    /// How others look at it.
    look: Look,
    stream: S,
    /// The type that the service is of; none is that of all types.
    only: Option<ResourceType>,
    /// It was said that the node is not known.
    warned: bool,
}

impl<S: Stream> Client<S> {
    /// A client that has said nothing yet.
    pub(super) fn new(
        guest: Guest,
        journal: Journal,
        only: Option<ResourceType>,
        look: Look,
    ) -> Self {
        Self {
            guest,
            journal,
            node: None,
            look,
            stream: S::default(),
            only,
            warned: false,
        }
    }

    /// The client asks for something, or answers. With its first request it says who it is.
    ///
    /// # Errors
    ///
    /// What is wrong with the request; then the stream has to end.
    pub(super) fn on_request(
        &mut self,
        mut request: S::Request,
        feed: &Feed,
    ) -> Result<(), Status> {
        if self.node.is_none() {
            let node = self.identify(&request)?;
            feed.identify(&node, self.guest.peer);
            self.node = Some(node);
        }
        let type_url = S::request_type(&mut request);
        match self.only.map(ResourceType::type_url) {
            // "type_url ... is implicit in requests made via singleton xDS APIs".
            Some(only) if type_url.is_empty() => only.clone_into(type_url),
            Some(only) if type_url != only => {
                return Err(Status::invalid_argument(format!(
                    "only {only} is served here"
                )));
            }
            None if type_url.is_empty() => {
                return Err(Status::invalid_argument("the request has no type_url"));
            }
            _ => {}
        }
        let nonce = S::request_nonce(&request).parse().unwrap_or_default();
        match self.stream.on_request(request) {
            Outcome::Subscribed => {}
            Outcome::Accepted(ty) => self.journal.accepted(ty, nonce, Instant::now()),
            Outcome::Rejected { ty, message } => self.journal.rejected(ty, nonce, &message),
            Outcome::Stale(ty) => self.journal.stale(ty),
            Outcome::UnknownType => tracing::debug!("a type that is not served"),
        }
        if self.stream.names_size() > MAX_NAMES {
            return Err(Status::resource_exhausted("too many resource names"));
        }
        Ok(())
    }

    /// "Only the first request on a stream is guaranteed to carry the node identifier", and it is the stream's identity:
    /// later ones are not looked at.
    fn identify(&mut self, request: &S::Request) -> Result<Node, Status> {
        let node = S::node(request)
            .ok_or_else(|| Status::invalid_argument("the first request has no node"))?;
        let node = Node::new(node);
        self.guest.identify(&node)?;
        self.journal.identified(&node, Arc::clone(&self.look));
        if let Some((major, minor)) = node.too_old() {
            tracing::warn!(
                code = "MP502",
                node = &*node.id,
                envoy = %format_args!("{major}.{minor}"),
                "the Host of copies cannot be rewritten by an Envoy before 1.36",
            );
        }
        Ok(node)
    }

    /// The client is to have something else from now on.
    pub(super) fn on_offer(&mut self, offer: Offer) {
        self.journal.belongs_to(&offer.group);
        self.journal.tries(offer.trial);
        if let Some(node) = self.node.as_ref().filter(|_| !self.warned && !offer.known) {
            self.warned = true;
            tracing::warn!(
                code = "MP501",
                node = &*node.id,
                "the node is no known workload: nothing is mirrored for it",
            );
        }
        self.stream.set_snapshot(offer.snapshot, Instant::now());
    }

    /// The next message to be sent; to be called until there is none, and again after anything happened.
    pub(super) fn next_message(&mut self, encoder: &Encoder) -> Option<Message> {
        let now = Instant::now();
        let response = self.stream.next_response(now)?;
        let message = encoder.message::<S>(&response);
        self.journal.pushed(&response, message.size, now);
        Some(message)
    }

    /// Notes how far everything is; when to ask for the next message although nothing happened.
    pub(super) fn rest(&mut self) -> Option<Instant> {
        self.journal.stands(self.standing());
        self.stream.deadline(Instant::now())
    }

    fn standing(&self) -> Standing {
        ResourceType::ALL.map(|ty| self.stream.progress(ty))
    }

    /// How the client is, if it has said who it is.
    pub(super) fn sidecar(&self) -> Option<Sidecar> {
        self.journal.sidecar(self.node.as_ref()?, self.standing())
    }

    /// What the client has, if it has said who it is.
    pub(super) fn holdings(&self) -> Option<clients::Holdings> {
        let node = self.node.clone()?;
        let entries = self.stream.report();
        Some(clients::Holdings { node, entries })
    }
}
