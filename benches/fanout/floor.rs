//! The floor: a bare tonic server that knows nothing of the protocol but when to copy prepared bytes to a stream.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::task::Context;
use std::task::Poll;

use bytes::Buf;
use bytes::BufMut;
use bytes::Bytes;
use mirrorplane::proto::envoy::service::discovery::v3 as discovery;
use mirrorplane::proto::google::protobuf::Any;
use mirrorplane::server;
use mirrorplane::snapshot::ResourceType;
use prost::Message;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Request;
use tonic::Response;
use tonic::Status;
use tonic::Streaming;
use tonic::body::Body;
use tonic::codec::Codec;
use tonic::codec::DecodeBuf;
use tonic::codec::Decoder;
use tonic::codec::EncodeBuf;
use tonic::codec::Encoder;
use tonic::codegen::BoxFuture;
use tonic::codegen::BoxStream;
use tonic::codegen::Service;
use tonic::server::Grpc;
use tonic::server::NamedService;
use tonic::server::StreamingService;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use crate::control;
use crate::mesh;
use crate::mesh::State;
use crate::prepared::Prepared;
use crate::sidecar::Variant;

/// Encoded responses by variant, state, group and type.
type Responses = Vec<Vec<Vec<Vec<Bytes>>>>;

/// Messages are bytes.
#[derive(Clone, Debug, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}

/// As much of a node as is looked at.
#[derive(Clone, PartialEq, Message)]
struct Node {
    #[prost(string, tag = "1")]
    id: String,
}

/// As much of a `DiscoveryRequest`.
#[derive(Clone, PartialEq, Message)]
struct Sotw {
    #[prost(message, optional, tag = "2")]
    node: Option<Node>,
    #[prost(string, tag = "4")]
    type_url: String,
    #[prost(string, tag = "5")]
    response_nonce: String,
}

/// As much of a `DeltaDiscoveryRequest`.
#[derive(Clone, PartialEq, Message)]
struct Delta {
    #[prost(message, optional, tag = "1")]
    node: Option<Node>,
    #[prost(string, tag = "2")]
    type_url: String,
    #[prost(string, tag = "6")]
    response_nonce: String,
}

/// The service, and the call that it is asked for.
#[derive(Clone)]
struct Floor {
    responses: Arc<Responses>,
    told: Arc<Mutex<Told>>,
    groups: usize,
    variant: Variant,
}

/// What is served now, and who is to be told of the next change.
#[derive(Default)]
struct Told {
    state: State,
    streams: Vec<mpsc::Sender<State>>,
}

impl Told {
    fn tell(&mut self, state: State) {
        self.state = state;
        // A stream that is gone, or behind by so much, is not told any more.
        self.streams.retain(|stream| stream.try_send(state).is_ok());
    }
}

enum Event {
    Request(Result<Bytes, Status>),
    State(State),
}

impl NamedService for Floor {
    const NAME: &'static str = "envoy.service.discovery.v3.AggregatedDiscoveryService";
}

impl Service<http::Request<Body>> for Floor {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let mut floor = self.clone();
        if request.uri().path() == Variant::Delta.path() {
            floor.variant = Variant::Delta;
        }
        Box::pin(async move { Ok(Grpc::new(Raw).streaming(floor, request).await) })
    }
}

impl StreamingService<Bytes> for Floor {
    type Response = Bytes;
    type ResponseStream = BoxStream<Bytes>;
    type Future = BoxFuture<Response<Self::ResponseStream>, Status>;

    fn call(&mut self, request: Request<Streaming<Bytes>>) -> Self::Future {
        let (sender, states) = mpsc::channel(4);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.streams.push(sender);
        let mut stream = Stream {
            floor: self.clone(),
            group: None,
            now: told.state,
        };
        let states = ReceiverStream::new(states).map(Event::State);
        let events = request.into_inner().map(Event::Request).merge(states);
        let responses = events.filter_map(move |event| stream.on(event).transpose());
        Box::pin(async move { Ok(Response::new(Box::pin(responses) as BoxStream<Bytes>)) })
    }
}

/// A stream: whose it is, and what it was told last.
struct Stream {
    floor: Floor,
    group: Option<usize>,
    now: State,
}

impl Stream {
    fn on(&mut self, event: Event) -> Result<Option<Bytes>, Status> {
        let ty = match event {
            Event::State(state) => {
                let before = std::mem::replace(&mut self.now, state);
                Some(changed(before, state))
            }
            Event::Request(request) => self.wanted(request?)?,
        };
        let of = &self.floor.responses[self.floor.variant as usize][self.now.index()];
        Ok(ty
            .zip(self.group)
            .map(|(ty, group)| of[group][ty as usize].clone()))
    }

    /// The type that a request asks for; an acknowledgement asks for none.
    fn wanted(&mut self, request: Bytes) -> Result<Option<ResourceType>, Status> {
        let bad = |error: prost::DecodeError| Status::invalid_argument(error.to_string());
        let (node, url, nonce) = match self.floor.variant {
            Variant::Sotw => {
                let request = Sotw::decode(request).map_err(bad)?;
                (request.node, request.type_url, request.response_nonce)
            }
            Variant::Delta => {
                let request = Delta::decode(request).map_err(bad)?;
                (request.node, request.type_url, request.response_nonce)
            }
        };
        if let Some(node) = node {
            self.group = mesh::group_of(&node.id, self.floor.groups);
        }
        Ok(ResourceType::from_type_url(&url).filter(|_| nonce.is_empty()))
    }
}

/// What a single step changes.
fn changed(before: State, after: State) -> ResourceType {
    if before.route != after.route {
        ResourceType::Route
    } else {
        ResourceType::Runtime
    }
}

fn responses(prepared: &Prepared, groups: usize) -> Responses {
    let each = |variant, state, group, ty: ResourceType| {
        let of = prepared.of(state, group, ty);
        let any = |body: &Bytes| Any {
            type_url: ty.type_url().to_owned(),
            value: body.clone(),
        };
        let response = match variant {
            Variant::Sotw => discovery::DiscoveryResponse {
                version_info: of.first().map(|r| r.version.clone()).unwrap_or_default(),
                resources: of.iter().map(|resource| any(&resource.body)).collect(),
                type_url: ty.type_url().to_owned(),
                nonce: "1".to_owned(),
                ..Default::default()
            }
            .encode_to_vec(),
            Variant::Delta => discovery::DeltaDiscoveryResponse {
                resources: of
                    .iter()
                    .map(|resource| discovery::Resource {
                        name: resource.name.clone(),
                        version: resource.version.clone(),
                        resource: Some(any(&resource.body)),
                        ..Default::default()
                    })
                    .collect(),
                type_url: ty.type_url().to_owned(),
                nonce: "1".to_owned(),
                ..Default::default()
            }
            .encode_to_vec(),
        };
        Bytes::from(response)
    };
    [Variant::Sotw, Variant::Delta]
        .map(|variant| {
            let states = State::ALL.map(|state| {
                let groups = (0..groups).map(|group| {
                    let types = ResourceType::ALL.map(|ty| each(variant, state, group, ty));
                    types.to_vec()
                });
                groups.collect()
            });
            states.to_vec()
        })
        .to_vec()
}

/// Serves until it is told to quit.
pub(crate) async fn run(address: SocketAddr, prepared: &Path, groups: usize) -> anyhow::Result<()> {
    let told = Arc::new(Mutex::new(Told::default()));
    let floor = Floor {
        responses: Arc::new(responses(&Prepared::read(prepared, groups)?, groups)),
        told: Arc::clone(&told),
        groups,
        variant: Variant::Sotw,
    };
    let listener = server::listen(address)?;
    let address = listener.local_addr()?;
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let server = tokio::spawn(
        Server::builder()
            .add_service(floor)
            .serve_with_incoming(incoming),
    );
    let control = control::obey(address, |state| {
        told.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .tell(state);
        Ok(())
    });
    tokio::select! {
        result = server => Ok(result??),
        result = control => result,
    }
}
