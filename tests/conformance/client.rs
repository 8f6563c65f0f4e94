//! A raw client: it sends what a test says, and nothing by itself.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mirrorplane::proto::envoy::config::core::v3::Node;
use mirrorplane::proto::envoy::service::discovery::v3 as discovery;
use mirrorplane::proto::envoy::service::discovery::v3::DeltaDiscoveryRequest;
use mirrorplane::proto::envoy::service::discovery::v3::DeltaDiscoveryResponse;
use mirrorplane::proto::envoy::service::discovery::v3::DiscoveryRequest;
use mirrorplane::proto::envoy::service::discovery::v3::DiscoveryResponse;
use mirrorplane::proto::google::rpc;
use mirrorplane::server::Stats;
use mirrorplane::snapshot::ResourceType;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Request;
use tonic::Status;
use tonic::Streaming;
use tonic::client::Grpc;
use tonic::transport::Channel;
use tonic_prost::ProstCodec;

use crate::world::DEADLINE;
use crate::world::NODE;
use crate::world::Server;

/// How long silence is listened to. The server reacts within a millisecond.
const QUIET: Duration = Duration::from_millis(150);

type AdsClient =
    discovery::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient<Channel>;

/// A connection, and what its server counts.
pub(crate) struct Connection {
    client: AdsClient,
    pub(crate) channel: Channel,
    stats: Arc<Stats>,
}

/// A connection to a server.
pub(crate) async fn connect(server: &Server) -> Connection {
    connect_to(server.address, server).await
}

/// A connection that reaches a server by another address.
pub(crate) async fn connect_to(address: SocketAddr, server: &Server) -> Connection {
    let url = format!("http://{address}");
    let endpoint = Channel::from_shared(url).expect("a URL");
    let channel = timeout(DEADLINE, endpoint.connect()).await;
    let channel = channel.expect("in time").expect("a connection");
    let client = AdsClient::new(channel.clone());
    Connection {
        channel,
        client: client.max_decoding_message_size(64 << 20),
        stats: Arc::clone(&server.stats),
    }
}

/// The node of that id.
pub(crate) fn node(id: &str) -> Option<Node> {
    Some(Node {
        id: id.to_owned(),
        ..Node::default()
    })
}

fn error(message: &str) -> Option<rpc::Status> {
    Some(rpc::Status {
        code: 13,
        message: message.to_owned(),
        ..rpc::Status::default()
    })
}

/// "a,b" as names.
pub(crate) fn names(list: &str) -> Vec<String> {
    let names = list.split(',').filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

/// A stream of either variant.
pub(crate) struct Stream<Q, R> {
    requests: mpsc::Sender<Q>,
    responses: Streaming<R>,
    stats: Arc<Stats>,
}

pub(crate) type Sotw = Stream<DiscoveryRequest, DiscoveryResponse>;
pub(crate) type Delta = Stream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>;

impl<Q, R: std::fmt::Debug> Stream<Q, R> {
    pub(crate) async fn send(&self, request: Q) {
        let sent = timeout(DEADLINE, self.requests.send(request)).await;
        assert!(sent.is_ok_and(|sent| sent.is_ok()), "the stream is open");
    }

    /// The next response.
    pub(crate) async fn next(&mut self) -> R {
        let next = timeout(DEADLINE, self.responses.message()).await;
        let next = next.expect("a response in time").expect("no error");
        next.expect("the stream is open")
    }

    /// Waits until the server has taken note of an answer, so that what a test does next comes after it.
    async fn counted(&self, ty: ResourceType, before: u64) {
        timeout(DEADLINE, async {
            while self.stats.acked(ty) == before {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await
        .expect("the answer is counted");
    }

    /// Nothing comes.
    pub(crate) async fn quiet(&mut self) {
        let silence = timeout(QUIET, self.responses.message()).await;
        assert!(silence.is_err(), "expected silence, got {silence:?}");
    }

    /// How the stream ends.
    pub(crate) async fn end(&mut self) -> Result<(), Status> {
        timeout(DEADLINE, async {
            while self.responses.message().await?.is_some() {}
            Ok(())
        })
        .await
        .expect("the stream ends in time")
    }

    /// Says that there will be no more requests, and waits for the end.
    pub(crate) async fn half_close(mut self) -> Result<(), Status> {
        let (closed, _) = mpsc::channel(1);
        self.requests = closed;
        self.end().await
    }
}

impl<Q, R> Stream<Q, R>
where
    Q: prost::Message + 'static,
    R: prost::Message + Default + 'static,
{
    /// A stream of a method that is not that of ADS.
    pub(crate) async fn at(connection: &Connection, path: &str) -> Self {
        let (requests, outbound) = mpsc::channel(64);
        let mut client = Grpc::new(connection.channel.clone());
        client.ready().await.expect("a connection");
        let stream = client.streaming(
            Request::new(ReceiverStream::new(outbound)),
            path.parse().expect("a path"),
            ProstCodec::<Q, R>::default(),
        );
        let responses = timeout(DEADLINE, stream).await.expect("in time");
        Self {
            requests,
            responses: responses.expect("a stream").into_inner(),
            stats: Arc::clone(&connection.stats),
        }
    }
}

impl Sotw {
    pub(crate) async fn open(server: &Server) -> Self {
        Self::over(&mut connect(server).await).await
    }

    pub(crate) async fn over(connection: &mut Connection) -> Self {
        let (requests, outbound) = mpsc::channel(64);
        let stream = connection
            .client
            .stream_aggregated_resources(ReceiverStream::new(outbound));
        let responses = timeout(DEADLINE, stream).await.expect("in time");
        Self {
            requests,
            responses: responses.expect("a stream").into_inner(),
            stats: Arc::clone(&connection.stats),
        }
    }

    /// A request with names, as if no response had come yet.
    pub(crate) fn request(ty: ResourceType, list: &str) -> DiscoveryRequest {
        DiscoveryRequest {
            node: node(NODE),
            type_url: ty.type_url().to_owned(),
            resource_names: names(list),
            ..DiscoveryRequest::default()
        }
    }

    pub(crate) async fn ask(&self, ty: ResourceType, list: &str) {
        self.send(Self::request(ty, list)).await;
    }

    /// Answers a response with names.
    pub(crate) async fn ack(&self, response: &DiscoveryResponse, list: &str) {
        self.send(DiscoveryRequest {
            version_info: response.version_info.clone(),
            type_url: response.type_url.clone(),
            resource_names: names(list),
            response_nonce: response.nonce.clone(),
            ..DiscoveryRequest::default()
        })
        .await;
    }

    /// Rejects a response, with names.
    pub(crate) async fn nack(&self, response: &DiscoveryResponse, list: &str) {
        self.send(DiscoveryRequest {
            type_url: response.type_url.clone(),
            resource_names: names(list),
            response_nonce: response.nonce.clone(),
            error_detail: error("cannot be"),
            ..DiscoveryRequest::default()
        })
        .await;
    }

    /// The next response is of that type and holds exactly these resources; it is not answered.
    pub(crate) async fn get(&mut self, ty: ResourceType, expected: &str) -> DiscoveryResponse {
        let response = self.next().await;
        assert_eq!(response.type_url, ty.type_url());
        let bodies = response.resources.iter().map(|any| {
            assert_eq!(any.type_url, ty.type_url());
            String::from_utf8_lossy(&any.value).into_owned()
        });
        assert_eq!(sorted(bodies), expected, "{ty:?}");
        assert!(!response.nonce.is_empty() && !response.version_info.is_empty());
        response
    }

    /// Likewise, and it is accepted.
    pub(crate) async fn take(
        &mut self,
        ty: ResourceType,
        expected: &str,
        list: &str,
    ) -> DiscoveryResponse {
        let response = self.get(ty, expected).await;
        let before = self.stats.acked(ty);
        self.ack(&response, list).await;
        self.counted(ty, before).await;
        response
    }
}

impl Delta {
    pub(crate) async fn open(server: &Server) -> Self {
        Self::over(&mut connect(server).await).await
    }

    pub(crate) async fn over(connection: &mut Connection) -> Self {
        let (requests, outbound) = mpsc::channel(64);
        let stream = connection
            .client
            .delta_aggregated_resources(ReceiverStream::new(outbound));
        let responses = timeout(DEADLINE, stream).await.expect("in time");
        Self {
            requests,
            responses: responses.expect("a stream").into_inner(),
            stats: Arc::clone(&connection.stats),
        }
    }

    pub(crate) fn request(
        ty: ResourceType,
        subscribe: &str,
        unsubscribe: &str,
    ) -> DeltaDiscoveryRequest {
        DeltaDiscoveryRequest {
            node: node(NODE),
            type_url: ty.type_url().to_owned(),
            resource_names_subscribe: names(subscribe),
            resource_names_unsubscribe: names(unsubscribe),
            ..DeltaDiscoveryRequest::default()
        }
    }

    pub(crate) async fn ask(&self, ty: ResourceType, subscribe: &str, unsubscribe: &str) {
        self.send(Self::request(ty, subscribe, unsubscribe)).await;
    }

    /// The first request of a type after a reconnect, with what the client has.
    pub(crate) async fn resume(&self, ty: ResourceType, list: &str, has: BTreeMap<String, String>) {
        self.send(DeltaDiscoveryRequest {
            initial_resource_versions: has,
            ..Self::request(ty, list, "")
        })
        .await;
    }

    fn answer(response: &DeltaDiscoveryResponse) -> DeltaDiscoveryRequest {
        DeltaDiscoveryRequest {
            type_url: response.type_url.clone(),
            response_nonce: response.nonce.clone(),
            ..DeltaDiscoveryRequest::default()
        }
    }

    pub(crate) async fn ack(&self, response: &DeltaDiscoveryResponse) {
        self.send(Self::answer(response)).await;
    }

    /// Rejects a response, and subscribes to these names.
    pub(crate) async fn nack(&self, response: &DeltaDiscoveryResponse, subscribe: &str) {
        self.send(DeltaDiscoveryRequest {
            error_detail: error("cannot be"),
            resource_names_subscribe: names(subscribe),
            ..Self::answer(response)
        })
        .await;
    }

    /// The next response is of that type and holds exactly these resources, and removals as "-NAME"; it is not answered.
    pub(crate) async fn get(&mut self, ty: ResourceType, expected: &str) -> DeltaDiscoveryResponse {
        let response = self.next().await;
        assert_eq!(response.type_url, ty.type_url());
        let bodies = response.resources.iter().map(|resource| {
            let any = resource.resource.as_ref().expect("a body");
            assert_eq!(any.type_url, ty.type_url());
            assert!(!resource.version.is_empty());
            let body = String::from_utf8_lossy(&any.value).into_owned();
            assert!(body.starts_with(&format!("{}=", resource.name)));
            body
        });
        let removed = response.removed_resources.iter().map(|n| format!("-{n}"));
        assert_eq!(sorted(bodies.chain(removed)), expected, "{ty:?}");
        assert!(!response.nonce.is_empty());
        response
    }

    /// Likewise, and it is accepted.
    pub(crate) async fn take(
        &mut self,
        ty: ResourceType,
        expected: &str,
    ) -> DeltaDiscoveryResponse {
        let response = self.get(ty, expected).await;
        let before = self.stats.acked(ty);
        self.ack(&response).await;
        self.counted(ty, before).await;
        response
    }
}

/// The versions of a response's resources.
pub(crate) fn versions(response: &DeltaDiscoveryResponse) -> BTreeMap<String, String> {
    let resources = response.resources.iter();
    resources
        .map(|r| (r.name.clone(), r.version.clone()))
        .collect()
}

fn sorted(items: impl Iterator<Item = String>) -> String {
    let mut items: Vec<_> = items.collect();
    items.sort();
    items.join(" ")
}
