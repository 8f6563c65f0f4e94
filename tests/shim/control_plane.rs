//! A small ADS server: it serves a world, and remembers what it was told.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use prost::Message;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

use mirrorplane::proto::envoy::service::discovery::v3::aggregated_discovery_service_server::{
    AggregatedDiscoveryService, AggregatedDiscoveryServiceServer,
};
use mirrorplane::proto::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse, Resource,
};
use mirrorplane::proto::google::protobuf::Any;
use mirrorplane::shim::Kind;

/// The order in which changes are pushed: make before break.
const PUSH: [Kind; 5] = [
    Kind::Cluster,
    Kind::Endpoint,
    Kind::Listener,
    Kind::Route,
    Kind::Runtime,
];

/// Encoded resources with their versions.
pub(crate) type World = BTreeMap<Kind, BTreeMap<String, (String, Any)>>;

/// What was received: `NACK ...`, or the held versions at the begin of a type.
pub(crate) type Log = Arc<Mutex<Vec<String>>>;

#[derive(Clone)]
struct Service {
    world: watch::Receiver<World>,
    log: Log,
}

/// A running server, and its world.
pub(crate) struct ControlPlane {
    world: watch::Sender<World>,
    address: SocketAddr,
    log: Log,
    server: Option<JoinHandle<()>>,
}

impl ControlPlane {
    pub(crate) async fn start() -> Self {
        let mut control_plane = Self {
            world: watch::Sender::new(World::new()),
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            log: Log::default(),
            server: None,
        };
        control_plane.restart().await;
        control_plane
    }

    /// Serves again, at the same address.
    pub(crate) async fn restart(&mut self) {
        let socket = TcpListener::bind(self.address).await.unwrap();
        self.address = socket.local_addr().unwrap();
        let service = Service {
            world: self.world.subscribe(),
            log: Arc::clone(&self.log),
        };
        self.server = Some(tokio::spawn(async move {
            tonic::transport::Server::builder()
                .add_service(AggregatedDiscoveryServiceServer::new(service))
                .serve_with_incoming(TcpListenerStream::new(socket))
                .await
                .unwrap();
        }));
    }

    /// Goes away, with all streams.
    pub(crate) async fn stop(&mut self) {
        let server = self.server.take().unwrap();
        server.abort();
        assert!(server.await.unwrap_err().is_cancelled());
        // The connections are tasks of their own; they end with what they serve.
        let world = self.world.borrow().clone();
        self.world = watch::Sender::new(world);
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// Changes several resources at once.
    pub(crate) fn change(&self, change: impl FnOnce(&mut World)) {
        self.world.send_modify(change);
    }

    pub(crate) fn set(&self, kind: Kind, name: &str, message: &impl Message) {
        self.change(|world| put(world, kind, name, message));
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        if let Some(server) = &self.server {
            server.abort();
        }
    }
}

pub(crate) fn put(world: &mut World, kind: Kind, name: &str, message: &impl Message) {
    let body = message.encode_to_vec();
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    let any = Any {
        type_url: kind.type_url().into(),
        value: body.into(),
    };
    let version = format!("{:x}", hasher.finish());
    world
        .entry(kind)
        .or_default()
        .insert(name.into(), (version, any));
}

fn kind_of(type_url: &str) -> Kind {
    Kind::ALL
        .into_iter()
        .find(|kind| kind.type_url() == type_url)
        .unwrap()
}

fn wildcard(kind: Kind) -> bool {
    matches!(kind, Kind::Cluster | Kind::Listener)
}

/// One subscription of a stream.
#[derive(Default)]
struct Subscription {
    names: BTreeSet<String>,
    sent: BTreeMap<String, String>,
    /// State of the world: something was sent, and what it was is in `sent`.
    answered: bool,
    /// Names to answer even if nothing changed.
    owed: BTreeSet<String>,
    nonce: u64,
}

impl Subscription {
    fn visible(&self, kind: Kind, world: &World) -> BTreeMap<String, (String, Any)> {
        let all = world.get(&kind).cloned().unwrap_or_default();
        let mine = |name: &String| wildcard(kind) || self.names.contains(name);
        all.into_iter().filter(|(name, _)| mine(name)).collect()
    }

    fn nonce(&mut self, kind: Kind) -> String {
        self.answered = true;
        self.nonce += 1;
        format!("{kind:?}-{}", self.nonce)
    }

    fn sotw(&mut self, kind: Kind, world: &World) -> Option<DiscoveryResponse> {
        let visible = self.visible(kind, world);
        let now = versions(&visible);
        let nothing = now.is_empty() && !wildcard(kind);
        if nothing || (self.answered && self.sent == now) {
            return None;
        }
        self.sent = now.clone();
        Some(DiscoveryResponse {
            version_info: format!("{now:?}"),
            resources: visible.into_values().map(|(_, any)| any).collect(),
            type_url: kind.type_url().into(),
            nonce: self.nonce(kind),
            ..Default::default()
        })
    }

    fn delta(&mut self, kind: Kind, world: &World) -> Option<DeltaDiscoveryResponse> {
        let visible = self.visible(kind, world);
        let now = versions(&visible);
        let resources: Vec<_> = visible
            .into_iter()
            .filter(|(name, (version, _))| {
                self.owed.contains(name) || self.sent.get(name) != Some(version)
            })
            .map(|(name, (version, any))| Resource {
                name,
                version,
                resource: Some(any),
                ..Default::default()
            })
            .collect();
        let gone = self.sent.keys().chain(&self.owed);
        let removed: BTreeSet<_> = gone
            .filter(|name| !now.contains_key(*name))
            .cloned()
            .collect();
        self.sent = now;
        self.owed.clear();
        let nothing = resources.is_empty() && removed.is_empty();
        if nothing && (self.answered || !wildcard(kind)) {
            return None;
        }
        Some(DeltaDiscoveryResponse {
            resources,
            removed_resources: removed.into_iter().collect(),
            type_url: kind.type_url().into(),
            nonce: self.nonce(kind),
            ..Default::default()
        })
    }
}

type Subscriptions = BTreeMap<Kind, Subscription>;

fn versions(visible: &BTreeMap<String, (String, Any)>) -> BTreeMap<String, String> {
    visible
        .iter()
        .map(|(name, (version, _))| (name.clone(), version.clone()))
        .collect()
}

impl Service {
    fn note(&self, line: String) {
        self.log.lock().unwrap().push(line);
    }

    /// Pushes what changes, and listens to what is wanted, in either variant of the protocol.
    async fn stream<Q, R>(
        self,
        mut requests: Streaming<Q>,
        responses: mpsc::Sender<Result<R, Status>>,
        push: fn(&mut Subscription, Kind, &World) -> Option<R>,
        receive: fn(&Self, &mut Subscriptions, Q),
    ) {
        let mut subscriptions = Subscriptions::new();
        let mut world = self.world.clone();
        loop {
            for kind in PUSH {
                let pushed = subscriptions
                    .get_mut(&kind)
                    .and_then(|subscription| push(subscription, kind, &world.borrow()));
                if let Some(response) = pushed
                    && responses.send(Ok(response)).await.is_err()
                {
                    return;
                }
            }
            tokio::select! {
                changed = world.changed() => if changed.is_err() { return },
                request = requests.next() => {
                    let Some(Ok(request)) = request else { return };
                    receive(&self, &mut subscriptions, request);
                }
            }
        }
    }

    fn sotw(&self, subscriptions: &mut Subscriptions, request: DiscoveryRequest) {
        let kind = kind_of(&request.type_url);
        let subscription = subscriptions.entry(kind).or_default();
        subscription.names = request.resource_names.into_iter().collect();
        if let Some(error) = request.error_detail {
            self.note(format!("NACK {}", error.message));
        } else if request.response_nonce.is_empty() {
            self.note(format!("{kind:?} held {}", request.version_info));
        }
    }

    fn delta(&self, subscriptions: &mut Subscriptions, request: DeltaDiscoveryRequest) {
        let kind = kind_of(&request.type_url);
        let subscription = subscriptions.entry(kind).or_default();
        for name in request.resource_names_unsubscribe {
            subscription.names.remove(&name);
            subscription.sent.remove(&name);
        }
        for name in request.resource_names_subscribe {
            subscription.names.insert(name.clone());
            subscription.owed.insert(name);
        }
        if let Some(error) = request.error_detail {
            self.note(format!("NACK {}", error.message));
        } else if request.response_nonce.is_empty() {
            for (name, version) in request.initial_resource_versions {
                self.note(format!("{kind:?} held {name}"));
                subscription.answered = true;
                // As the specification allows: what is held is not sent again.
                subscription.owed.remove(&name);
                subscription.sent.insert(name, version);
            }
        }
    }
}

type Responses<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl AggregatedDiscoveryService for Service {
    type StreamAggregatedResourcesStream = Responses<DiscoveryResponse>;
    type DeltaAggregatedResourcesStream = Responses<DeltaDiscoveryResponse>;

    async fn stream_aggregated_resources(
        &self,
        request: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamAggregatedResourcesStream>, Status> {
        let (sender, receiver) = mpsc::channel(4);
        let requests = request.into_inner();
        let service = self.clone();
        tokio::spawn(service.stream(requests, sender, Subscription::sotw, Self::sotw));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn delta_aggregated_resources(
        &self,
        request: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaAggregatedResourcesStream>, Status> {
        let (sender, receiver) = mpsc::channel(4);
        let requests = request.into_inner();
        let service = self.clone();
        tokio::spawn(service.stream(requests, sender, Subscription::delta, Self::delta));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}
