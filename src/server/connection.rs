//! The loop of a stream: who is at the other end, what it asks, and what it is sent.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::time::Instant;
use tonic::Status;
use tonic::Streaming;

use super::ads::DRAIN;
use super::ads::stopped;
use super::clients;
use super::clients::Inquiry;
use super::clients::Listed;
use super::gate::Guest;
use super::journal::Journal;
use super::node::Node;
use super::stream::Outcome;
use super::stream::Stream;
use crate::snapshot::ResourceType;
use crate::snapshot::World;

/// Bytes of the names that a stream may be subscribed to at a time: more than twice the largest request, and a bound on
/// what one client can make the server hold.
const MAX_NAMES: usize = 40 << 20;

/// A stream and its two directions.
pub(super) struct Connection<S: Stream> {
    pub(super) listed: (Listed, mpsc::Receiver<Inquiry>),
    pub(super) inbound: Streaming<S::Request>,
    pub(super) outbound: mpsc::Sender<Result<S::Response, Status>>,
    pub(super) world: watch::Receiver<Option<Arc<World>>>,
    pub(super) client: Client<S>,
}

/// Who is at the other end, and what is known of it.
pub(super) struct Client<S> {
    guest: Guest,
    journal: Journal,
    node: Option<Node>,
    stream: S,
    /// The type that the service is of; none is that of all types.
    only: Option<ResourceType>,
    /// It was said that the node is not known.
    warned: bool,
}

impl<S: Stream> Connection<S> {
    pub(super) async fn run(mut self, stopping: watch::Receiver<bool>) {
        let end = tokio::select! {
            end = self.exchange() => end,
            () = stopped(stopping) => Err(Status::unavailable("the control plane stops")),
        };
        match &end {
            Ok(()) => tracing::info!("stream closed"),
            Err(status) => tracing::info!(code = %status.code(), "stream ended"),
        }
        if let Err(status) = end {
            let last_word = self.outbound.send_timeout(Err(status), DRAIN);
            if last_word.await.is_err() {
                tracing::debug!("the client did not wait for the end of the stream");
            }
        }
    }

    /// Feeds the session, and sends what it yields whenever the client can take a response.
    async fn exchange(&mut self) -> Result<(), Status> {
        let Self {
            listed: (_, inquiries),
            inbound,
            outbound,
            world,
            client,
        } = self;
        let mut watching = true;
        let mut idle = true;
        loop {
            let deadline = client.stream.deadline(Instant::now()).filter(|_| idle);
            tokio::select! {
                request = inbound.message() => {
                    let Some(request) = request? else { return Ok(()) };
                    if client.node.is_none() {
                        client.identify(&request)?;
                        client.on_world(world);
                    }
                    client.on_request(request)?;
                    idle = false;
                }
                changed = world.changed(), if watching => {
                    watching = changed.is_ok();
                    idle &= !client.on_world(world);
                }
                permit = outbound.reserve(), if !idle => {
                    let Ok(permit) = permit else { return Ok(()) };
                    let now = Instant::now();
                    match client.stream.next_response(now) {
                        Some(response) => {
                            client.journal.pushed::<S>(&response, now);
                            permit.send(Ok(response));
                        }
                        None => idle = true,
                    }
                }
                Some(inquiry) = inquiries.recv() => client.answer(inquiry),
                () = sleep_until(deadline) => idle = false,
                () = outbound.closed() => return Ok(()),
            }
            let standing = ResourceType::ALL.map(|ty| client.stream.progress(ty));
            client.journal.stands(standing);
        }
    }
}

/// Sleeps until then; for ever if there is no such time.
async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

impl<S: Stream> Client<S> {
    /// A client that has said nothing yet.
    pub(super) fn new(guest: Guest, journal: Journal, only: Option<ResourceType>) -> Self {
        Self {
            guest,
            journal,
            node: None,
            stream: S::default(),
            only,
            warned: false,
        }
    }

    /// "Only the first request on a stream is guaranteed to carry the node identifier", and it is the stream's identity:
    /// later ones are not looked at.
    fn identify(&mut self, request: &S::Request) -> Result<(), Status> {
        let node = S::node(request)
            .ok_or_else(|| Status::invalid_argument("the first request has no node"))?;
        let node = Node::new(node);
        self.guest.identify(&node)?;
        self.journal.identified(&node);
        if let Some((major, minor)) = node.too_old() {
            tracing::warn!(
                code = "MP502",
                node = &*node.id,
                envoy = %format_args!("{major}.{minor}"),
                "the Host of copies cannot be rewritten by an Envoy before 1.36",
            );
        }
        self.node = Some(node);
        Ok(())
    }

    /// Says what there is to say of the client, if it has said who it is.
    fn answer(&self, inquiry: Inquiry) {
        if let Some(node) = self.node.clone() {
            let entries = self.stream.report();
            // Whoever asked may have gone.
            drop(inquiry.send(clients::Status { node, entries }));
        }
    }

    fn on_request(&mut self, mut request: S::Request) -> Result<(), Status> {
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

    /// Takes the newest world; whether it has anything else for this node than before.
    fn on_world(&mut self, world: &mut watch::Receiver<Option<Arc<World>>>) -> bool {
        let Some(node) = &self.node else { return false };
        let Some(world) = world.borrow_and_update().clone() else {
            return false;
        };
        self.journal.belongs_to(node.group(&world));
        let canary = world.canary(&node.key, self.guest.peer);
        self.journal.tries(canary.map(|canary| canary.trial));
        if !self.warned && !node.is_known(&world) {
            self.warned = true;
            tracing::warn!(
                code = "MP501",
                node = &*node.id,
                "the node is no known workload: nothing is mirrored for it",
            );
        }
        let snapshot = match canary {
            Some(canary) => Arc::clone(&canary.snapshot),
            None => node.snapshot(&world),
        };
        self.stream.set_snapshot(snapshot, Instant::now())
    }
}
