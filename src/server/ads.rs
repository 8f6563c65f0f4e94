//! The aggregated discovery service, and how every stream of it and of the others is opened.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Request;
use tonic::Response;
use tonic::Status;
use tonic::Streaming;
use tonic::service::Routes;
use tonic::transport::Server;
use tracing::Instrument;

use super::clients::Clients;
use super::connection::Client;
use super::connection::Connection;
use super::csds::Csds;
use super::delta::Delta;
use super::entrance::Entrance;
use super::gate::Gate;
use super::journal::Journal;
use super::operations;
use super::per_type;
use super::sotw::Sotw;
use super::stats::Stats;
use super::stream::Stream;
use crate::proto::envoy::service::discovery::v3 as discovery;
use crate::proto::envoy::service::discovery::v3::aggregated_discovery_service_server as grpc;
use crate::proto::envoy::service::status::v3::client_status_discovery_service_server as status;
use crate::snapshot::ResourceType;
use crate::snapshot::World;
use crate::transport::accept;

/// The largest request that is read: 100 000 names of 160 bytes.
pub(super) const MAX_REQUEST: usize = 16 << 20;

/// Responses that wait for the client to read. More would only be older.
const QUEUE: usize = 1;

/// Connections that are ready and wait to be taken.
const CONNECTIONS: usize = 16;

/// For how long a stopping server waits for its streams to end, and a stream for its last word to be read.
pub(super) const DRAIN: Duration = Duration::from_secs(2);

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

/// Serves ADS and what belongs to it at an entrance, which may be a bare listener, until `shutdown` completes; then ends
/// the streams with `UNAVAILABLE` and returns within a bounded time. While the world is `None`, because the sources are not synced, streams are held and sent nothing.
///
/// # Errors
///
/// If the transport fails, or the services cannot be described. What a client does ends at most its own stream.
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
        keepalive,
    } = entrance.into();
    let gate = Arc::new(Gate::new(authentication, Arc::clone(&stats)));
    let clients = Arc::new(Clients::default());
    let synced = world.clone();
    let ads = Ads {
        world,
        stats,
        gate: Arc::clone(&gate),
        clients: Arc::clone(&clients),
        stopping: stopping.clone(),
    };
    let csds = Csds {
        clients,
        gate: Arc::clone(&gate),
    };
    let routes = Routes::new(
        grpc::AggregatedDiscoveryServiceServer::new(ads.clone())
            .max_decoding_message_size(MAX_REQUEST),
    );
    let routes = per_type::add_to(routes, &ads)
        .add_service(status::ClientStatusDiscoveryServiceServer::new(csds));
    let (routes, health) = operations::add_to(routes).await?;
    let (ready, connections) = mpsc::channel(CONNECTIONS);
    let server = Server::builder()
        .http2_keepalive_interval(Some(keepalive.interval))
        .http2_keepalive_timeout(Some(keepalive.timeout))
        .max_concurrent_streams(Some(1_000))
        .add_routes(routes)
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
        never = operations::report(health, synced) => match never {},
        result = server => Ok(result?),
        () = accepting => Ok(()),
        () = overdue => {
            tracing::info!("clients that do not read are left behind");
            Ok(())
        }
    }
}

/// Completes when the server stops, or is gone.
pub(super) async fn stopped(mut stopping: watch::Receiver<bool>) {
    while !*stopping.borrow_and_update() && stopping.changed().await.is_ok() {}
}

/// What all streams share.
#[derive(Clone)]
pub(super) struct Ads {
    world: watch::Receiver<Option<Arc<World>>>,
    stats: Arc<Stats>,
    gate: Arc<Gate>,
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
        self.open::<Sotw>(request, None)
    }

    async fn delta_aggregated_resources(
        &self,
        request: Request<Streaming<discovery::DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaAggregatedResourcesStream>, Status> {
        self.open::<Delta>(request, None)
    }
}

impl Ads {
    /// Opens a stream, of all types or of one only.
    pub(super) fn open<S: Stream>(
        &self,
        request: Request<Streaming<S::Request>>,
        only: Option<ResourceType>,
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
        let journal = Journal::open(&self.stats, S::VARIANT, guest.peer);
        let connection = Connection::<S> {
            listed: self.clients.enter(),
            inbound: request.into_inner(),
            outbound,
            world: self.world.clone(),
            client: Client::new(guest, journal, only),
        };
        let stopping = self.stopping.clone();
        tokio::spawn(connection.run(stopping).instrument(span));
        Ok(Response::new(ReceiverStream::new(responses)))
    }
}
