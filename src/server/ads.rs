//! The aggregated discovery service, and the loop of every stream: the only I/O of the server, one loop per stream.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Request;
use tonic::Response;
use tonic::Status;
use tonic::Streaming;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tracing::Instrument;
use tracing::Span;

use super::clients;
use super::clients::Clients;
use super::clients::Inquiry;
use super::clients::Listed;
use super::csds::Csds;
use super::delta::Delta;
use super::node::Node;
use super::operations;
use super::per_type;
use super::sotw::Sotw;
use super::stats::Stats;
use super::stream::Outcome;
use super::stream::Stream;
use crate::proto::envoy::service::discovery::v3 as discovery;
use crate::proto::envoy::service::discovery::v3::aggregated_discovery_service_server as grpc;
use crate::proto::envoy::service::status::v3::client_status_discovery_service_server as status;
use crate::snapshot::ResourceType;
use crate::snapshot::World;

/// The largest request that is read: 100 000 names of 160 bytes.
pub(super) const MAX_REQUEST: usize = 16 << 20;

/// Responses that wait for the client to read. More would only be older.
const QUEUE: usize = 1;

/// For how long a stopping server waits for its streams to end, and a stream for its last word to be read.
const DRAIN: Duration = Duration::from_secs(2);

/// How much of a rejection is logged; Envoy repeats the whole resource in it.
const REASON: usize = 300;

/// The server failed as a whole.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The transport gave up.
    #[error("cannot serve ADS")]
    Transport(#[from] tonic::transport::Error),
    /// The descriptors that reflection serves are not valid.
    #[error("cannot describe the services")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// Serves ADS on a bound listener until `shutdown` completes; then ends the streams with `UNAVAILABLE` and returns within
/// a bounded time. While the world is `None`, because the sources are not synced, streams are held and sent nothing.
///
/// # Errors
///
/// If the transport fails, or the services cannot be described. What a client does ends at most its own stream.
pub async fn serve(
    listener: TcpListener,
    world: watch::Receiver<Option<Arc<World>>>,
    stats: Arc<Stats>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    // A receiver sees its sender gone as well, so that streams do not outlive a server that is dropped.
    let (stop, stopping) = watch::channel(false);
    let clients = Arc::new(Clients::default());
    let synced = world.clone();
    let ads = Ads {
        world,
        stats,
        clients: Arc::clone(&clients),
        stopping: stopping.clone(),
    };
    let routes = Routes::new(
        grpc::AggregatedDiscoveryServiceServer::new(ads.clone())
            .max_decoding_message_size(MAX_REQUEST),
    );
    let routes = per_type::add_to(routes, &ads).add_service(
        status::ClientStatusDiscoveryServiceServer::new(Csds(clients)),
    );
    let (routes, health) = operations::add_to(routes).await?;
    let server = Server::builder()
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
        .max_concurrent_streams(Some(1_000))
        .add_routes(routes)
        .serve_with_incoming_shutdown(
            TcpIncoming::from(listener).with_nodelay(Some(true)),
            async {
                shutdown.await;
                stop.send_replace(true);
            },
        );
    let overdue = async {
        stopped(stopping).await;
        tokio::time::sleep(DRAIN + Duration::from_secs(1)).await;
    };
    tokio::select! {
        never = operations::report(health, synced) => match never {},
        result = server => Ok(result?),
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
#[derive(Clone)]
pub(super) struct Ads {
    world: watch::Receiver<Option<Arc<World>>>,
    stats: Arc<Stats>,
    clients: Arc<Clients>,
    stopping: watch::Receiver<bool>,
}

pub(super) type Responses<T> = ReceiverStream<Result<T, Status>>;

#[tonic::async_trait]
impl grpc::AggregatedDiscoveryService for Ads {
    type StreamAggregatedResourcesStream = Responses<discovery::DiscoveryResponse>;
    type DeltaAggregatedResourcesStream = Responses<discovery::DeltaDiscoveryResponse>;

    async fn stream_aggregated_resources(
        &self,
        request: Request<Streaming<discovery::DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamAggregatedResourcesStream>, Status> {
        Ok(self.open::<Sotw>(request, None))
    }

    async fn delta_aggregated_resources(
        &self,
        request: Request<Streaming<discovery::DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaAggregatedResourcesStream>, Status> {
        Ok(self.open::<Delta>(request, None))
    }
}

impl Ads {
    /// Opens a stream, of all types or of one only.
    pub(super) fn open<S: Stream>(
        &self,
        request: Request<Streaming<S::Request>>,
        only: Option<ResourceType>,
    ) -> Response<Responses<S::Response>> {
        let peer = request.remote_addr();
        let span = tracing::info_span!(
            "stream",
            variant = S::NAME,
            node = tracing::field::Empty,
            peer = peer.as_ref().map(SocketAddr::to_string),
        );
        let (outbound, responses) = mpsc::channel(QUEUE);
        let (listed, inquiries) = self.clients.enter();
        let connection = Connection::<S> {
            _listed: listed,
            inquiries,
            inbound: request.into_inner(),
            outbound,
            world: self.world.clone(),
            stats: Arc::clone(&self.stats),
            client: Client {
                node: None,
                stream: S::default(),
                only,
                warned: false,
            },
        };
        let stopping = self.stopping.clone();
        tokio::spawn(connection.run(stopping).instrument(span));
        Response::new(ReceiverStream::new(responses))
    }
}

/// A stream and its two directions.
struct Connection<S: Stream> {
    _listed: Listed,
    inquiries: mpsc::Receiver<Inquiry>,
    inbound: Streaming<S::Request>,
    outbound: mpsc::Sender<Result<S::Response, Status>>,
    world: watch::Receiver<Option<Arc<World>>>,
    stats: Arc<Stats>,
    client: Client<S>,
}

/// Who is at the other end, and what is known of it.
struct Client<S> {
    node: Option<Node>,
    stream: S,
    /// The type that the service is of; none is that of all types.
    only: Option<ResourceType>,
    /// It was said that the node is not known.
    warned: bool,
}

impl<S: Stream> Connection<S> {
    async fn run(mut self, stopping: watch::Receiver<bool>) {
        let _open = self.stats.open_stream();
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
            inquiries,
            inbound,
            outbound,
            world,
            stats,
            client,
            ..
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
                    }
                    client.on_request(request, stats)?;
                    client.on_world(world);
                    idle = false;
                }
                changed = world.changed(), if watching => {
                    watching = changed.is_ok();
                    idle &= !client.on_world(world);
                }
                permit = outbound.reserve(), if !idle => {
                    let Ok(permit) = permit else { return Ok(()) };
                    match client.stream.next_response(Instant::now()) {
                        Some(response) => {
                            count_push::<S>(&response, stats);
                            permit.send(Ok(response));
                        }
                        None => idle = true,
                    }
                }
                Some(inquiry) = inquiries.recv() => client.answer(inquiry),
                () = sleep_until(deadline) => idle = false,
                () = outbound.closed() => return Ok(()),
            }
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
        Span::current().record("node", &*node.id);
        tracing::info!("stream opened");
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

    fn on_request(&mut self, mut request: S::Request, stats: &Stats) -> Result<(), Status> {
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
        match self.stream.on_request(request) {
            Outcome::Subscribed => {}
            Outcome::Accepted(ty) => stats.count_ack(ty),
            Outcome::Rejected { ty, nonce, message } => {
                stats.count_nack(ty);
                tracing::warn!(
                    code = "MP503",
                    node = self.node.as_ref().map(|node| &*node.id),
                    "type" = ?ty,
                    nonce,
                    error = message.chars().take(REASON).collect::<String>(),
                    "the configuration was rejected",
                );
            }
            Outcome::Stale(ty) => tracing::trace!("type" = ?ty, "stale nonce"),
            Outcome::UnknownType => tracing::debug!("a type that is not served"),
        }
        Ok(())
    }

    /// Takes the newest world; whether it has anything else for this node than before.
    fn on_world(&mut self, world: &mut watch::Receiver<Option<Arc<World>>>) -> bool {
        let Some(node) = &self.node else { return false };
        let Some(world) = world.borrow_and_update().clone() else {
            return false;
        };
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

fn count_push<S: Stream>(response: &S::Response, stats: &Stats) {
    let type_url = S::response_type(response);
    if let Some(ty) = ResourceType::from_type_url(type_url) {
        stats.count_push(ty);
    }
    tracing::debug!(type_url, resources = S::response_size(response), "pushed");
}
