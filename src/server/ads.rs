//! The aggregated discovery service: the only I/O of the server, one loop per stream.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Request;
use tonic::Response;
use tonic::Status;
use tonic::Streaming;
use tonic::transport::Server;
use tracing::Instrument;

use super::delta::Delta;
use super::entrance::Entrance;
use super::gate::Gate;
use super::gate::Guest;
use super::journal::Journal;
use super::node::Node;
use super::sotw::Sotw;
use super::stats::Stats;
use super::stream::Outcome;
use super::stream::Stream;
use crate::proto::envoy::service::discovery::v3 as discovery;
use crate::proto::envoy::service::discovery::v3::aggregated_discovery_service_server as grpc;
use crate::snapshot::ResourceType;
use crate::snapshot::World;
use crate::transport::accept;

/// The largest request that is read: 100 000 names of 160 bytes.
const MAX_REQUEST: usize = 16 << 20;

/// Bytes of the names that a stream may be subscribed to at a time: more than twice the largest request, and a bound on
/// what one client can make the server hold.
const MAX_NAMES: usize = 40 << 20;

/// Responses that wait for the client to read. More would only be older.
const QUEUE: usize = 1;

/// Connections that are ready and wait to be taken.
const CONNECTIONS: usize = 16;

/// For how long a stopping server waits for its streams to end, and a stream for its last word to be read.
const DRAIN: Duration = Duration::from_secs(2);

/// The server failed as a whole.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The transport gave up.
    #[error("cannot serve ADS")]
    Transport(#[from] tonic::transport::Error),
}

/// Serves ADS at an entrance, which may be a bare listener, until `shutdown` completes; then ends the streams with `UNAVAILABLE` and returns within
/// a bounded time. While the world is `None`, because the sources are not synced, streams are held and sent nothing.
///
/// # Errors
///
/// If the transport fails. What a client does ends at most its own stream.
pub async fn serve(
    entrance: impl Into<Entrance>,
    world: watch::Receiver<Option<Arc<World>>>,
    stats: Arc<Stats>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    // A receiver sees its sender gone as well, so that streams do not outlive a server that is dropped.
    let (stop, stopping) = watch::channel(false);
    let Entrance {
        listener,
        tls,
        authentication,
    } = entrance.into();
    let gate = Arc::new(Gate::new(authentication, Arc::clone(&stats)));
    let ads = Ads {
        world,
        stats,
        gate: Arc::clone(&gate),
        stopping: stopping.clone(),
    };
    let service =
        grpc::AggregatedDiscoveryServiceServer::new(ads).max_decoding_message_size(MAX_REQUEST);
    let (ready, connections) = mpsc::channel(CONNECTIONS);
    let server = Server::builder()
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
        .max_concurrent_streams(Some(1_000))
        .add_service(service)
        .serve_with_incoming_shutdown(ReceiverStream::new(connections), async {
            shutdown.await;
            stop.send_replace(true);
        });
    let accepting = async {
        tokio::select! {
            () = accept(listener, tls, ready, |peer, failure| gate.failed(peer, failure)) => {}
            () = stopped(stopping.clone()) => {}
        }
        std::future::pending::<()>().await;
    };
    let overdue = async {
        stopped(stopping.clone()).await;
        tokio::time::sleep(DRAIN + Duration::from_secs(1)).await;
    };
    tokio::select! {
        result = server => Ok(result?),
        () = accepting => Ok(()),
        () = overdue => {
            tracing::info!("clients that do not read are left behind");
            Ok(())
        }
    }
}

/// Completes when the server stops, or is gone.
async fn stopped(mut stopping: watch::Receiver<bool>) {
    while !*stopping.borrow_and_update() && stopping.changed().await.is_ok() {}
}

/// What all streams share.
struct Ads {
    world: watch::Receiver<Option<Arc<World>>>,
    stats: Arc<Stats>,
    gate: Arc<Gate>,
    stopping: watch::Receiver<bool>,
}

type Responses<T> = ReceiverStream<Result<T, Status>>;

#[tonic::async_trait]
impl grpc::AggregatedDiscoveryService for Ads {
    type StreamAggregatedResourcesStream = Responses<discovery::DiscoveryResponse>;
    type DeltaAggregatedResourcesStream = Responses<discovery::DeltaDiscoveryResponse>;

    async fn stream_aggregated_resources(
        &self,
        request: Request<Streaming<discovery::DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamAggregatedResourcesStream>, Status> {
        self.open::<Sotw>(request)
    }

    async fn delta_aggregated_resources(
        &self,
        request: Request<Streaming<discovery::DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaAggregatedResourcesStream>, Status> {
        self.open::<Delta>(request)
    }
}

impl Ads {
    fn open<S: Stream>(
        &self,
        request: Request<Streaming<S::Request>>,
    ) -> Result<Response<Responses<S::Response>>, Status> {
        let guest = self.gate.enter(&request)?;
        let span = tracing::info_span!(
            "stream",
            variant = S::VARIANT.as_str(),
            node = tracing::field::Empty,
            group = tracing::field::Empty,
            peer = guest.peer.as_ref().map(tracing::field::display),
        );
        let (outbound, responses) = mpsc::channel(QUEUE);
        let connection = Connection::<S> {
            inbound: request.into_inner(),
            outbound,
            world: self.world.clone(),
            client: Client {
                journal: Journal::open(&self.stats, S::VARIANT, guest.peer),
                guest,
                node: None,
                stream: S::default(),
                warned: false,
            },
        };
        let stopping = self.stopping.clone();
        tokio::spawn(connection.run(stopping).instrument(span));
        Ok(Response::new(ReceiverStream::new(responses)))
    }
}

/// A stream and its two directions.
struct Connection<S: Stream> {
    inbound: Streaming<S::Request>,
    outbound: mpsc::Sender<Result<S::Response, Status>>,
    world: watch::Receiver<Option<Arc<World>>>,
    client: Client<S>,
}

/// Who is at the other end, and what is known of it.
struct Client<S> {
    guest: Guest,
    journal: Journal,
    node: Option<Node>,
    stream: S,
    /// It was said that the node is not known.
    warned: bool,
}

impl<S: Stream> Connection<S> {
    async fn run(mut self, stopping: watch::Receiver<bool>) {
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

    fn on_request(&mut self, request: S::Request) -> Result<(), Status> {
        if S::request_type(&request).is_empty() {
            return Err(Status::invalid_argument("the request has no type_url"));
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
        if !self.warned && !node.is_known(&world) {
            self.warned = true;
            tracing::warn!(
                code = "MP501",
                node = &*node.id,
                "the node is no known workload: nothing is mirrored for it",
            );
        }
        self.stream
            .set_snapshot(node.snapshot(&world), Instant::now())
    }
}
