//! A server with credentials in this process, and a client that asks it for clusters.

use std::future::pending;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mirrorplane::access::{Authentication, Refusal, Reviews, Tokens};
use mirrorplane::model::GroupId;
use mirrorplane::proto::envoy::config::core::v3::Node;
use mirrorplane::proto::envoy::service::discovery::v3::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use mirrorplane::proto::envoy::service::discovery::v3::{DiscoveryRequest, DiscoveryResponse};
use mirrorplane::reload::follow;
use mirrorplane::server::{Entrance, Keepalive, Stats, serve};
use mirrorplane::snapshot::{ResourceType, Snapshot, World};
use mirrorplane::transport::{ClientCertificates, TlsFiles};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Streaming};

use crate::authority::{Authority, Pair, put};

/// The longest that anything may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// What a server asks of its clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asks {
    Certificate,
    Token,
    Either,
    Review,
}

/// A server; dropping it ends it.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) stats: Arc<Stats>,
    pub(crate) ca: Authority,
    folder: TempDir,
    task: JoinHandle<()>,
}

impl Server {
    /// Serves a world, with the tokens of this text.
    pub(crate) async fn start(asks: Asks, tokens: &str) -> Self {
        Self::reviewing(asks, tokens, None).await
    }

    /// The same, with tokens that others review.
    pub(crate) async fn reviewing(asks: Asks, tokens: &str, reviews: Option<Arc<Reviews>>) -> Self {
        let ca = Authority::new("the CA");
        let folder = tempfile::tempdir().unwrap();
        let pair = ca.server(&["first.test"]);
        let files = TlsFiles {
            certificate: put(folder.path(), "tls.crt", &pair.certificate),
            key: put(folder.path(), "tls.key", &pair.key),
            clients: clients(asks, put(folder.path(), "ca.crt", ca.pem())),
        };
        let path = put(folder.path(), "tokens", tokens);
        let tokens = match asks {
            Asks::Certificate | Asks::Review => None,
            Asks::Token | Asks::Either => {
                Some(follow([path], |[file]| Tokens::read(file)).await.unwrap())
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let entrance = Entrance {
            listener,
            tls: Some(files.follow().await.unwrap()),
            authentication: Authentication::On { tokens, reviews },
            keepalive: Keepalive::default(),
        };
        let stats = Arc::new(Stats::default());
        let counted = Arc::clone(&stats);
        let task = tokio::spawn(async move {
            let group = GroupId::new("all");
            let world = World {
                groups: [(group.clone(), Arc::new(Snapshot::default()))].into(),
                nodes: Arc::default(),
                fallback: group,
                exceptions: Default::default(),
            };
            let (_keep, world) = watch::channel(Some(Arc::new(world)));
            serve(entrance, world, counted, pending()).await.unwrap();
        });
        Self {
            address,
            stats,
            ca,
            folder,
            task,
        }
    }

    /// Replaces a file of the server.
    pub(crate) fn put(&self, name: &str, content: &str) {
        put(self.path(), name, content);
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A client that trusts the server.
    pub(crate) fn client(&self) -> Client {
        Client {
            address: self.address,
            ca: self.ca.pem().to_owned(),
            pair: None,
            token: None,
            server_name: "127.0.0.1".to_owned(),
        }
    }

    /// A client with a certificate of the server's CA for this URI.
    pub(crate) fn named(&self, uri: &str) -> Client {
        self.client().with(self.ca.client(uri))
    }

    /// Waits until so many clients were refused for this reason, and nothing at all was sent.
    pub(crate) async fn has_refused(&self, reason: Refusal, count: u64) {
        self.counts(reason, count).await;
        for ty in ResourceType::ALL {
            assert_eq!(self.stats.pushed(ty), 0, "{ty:?} was sent");
        }
    }

    /// Waits until so many clients were refused for this reason.
    pub(crate) async fn counts(&self, reason: Refusal, count: u64) {
        let counted = timeout(DEADLINE, async {
            while self.stats.refused(reason) < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        counted.await.expect("the refusal is counted");
        assert_eq!(self.stats.refused(reason), count);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn clients(asks: Asks, ca: PathBuf) -> ClientCertificates {
    match asks {
        Asks::Certificate => ClientCertificates::Required(ca),
        Asks::Token | Asks::Review => ClientCertificates::NotAsked,
        Asks::Either => ClientCertificates::Optional(ca),
    }
}

/// What a client shows and expects.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    address: SocketAddr,
    ca: String,
    pair: Option<Pair>,
    token: Option<String>,
    server_name: String,
}

impl Client {
    pub(crate) fn with(mut self, pair: Pair) -> Self {
        self.pair = Some(pair);
        self
    }

    pub(crate) fn token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    /// Expects the server to have this name.
    pub(crate) fn expects(mut self, name: &str) -> Self {
        self.server_name = name.to_owned();
        self
    }

    /// Trusts this CA alone.
    pub(crate) fn trusts(mut self, ca: &Authority) -> Self {
        self.ca = ca.pem().to_owned();
        self
    }

    pub(crate) async fn connect(&self) -> Result<Channel, tonic::transport::Error> {
        let mut tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(&self.ca))
            .domain_name(&self.server_name);
        if let Some(pair) = &self.pair {
            tls = tls.identity(Identity::from_pem(&pair.certificate, &pair.key));
        }
        let url = format!("https://{}", self.address);
        Endpoint::from_shared(url)?.tls_config(tls)?.connect().await
    }

    /// A request with the token.
    pub(crate) fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(token) = &self.token {
            let value = format!("Bearer {token}").parse().unwrap();
            request.metadata_mut().insert("authorization", value);
        }
        request
    }

    /// Opens a stream as this node and waits for the first answer.
    pub(crate) async fn ask(&self, node: &str) -> Result<Stream, Failure> {
        let asked = async {
            let channel = self.connect().await.map_err(|_| Failure::NoConnection)?;
            let mut client = AggregatedDiscoveryServiceClient::new(channel);
            let (requests, outbound) = mpsc::channel(4);
            let first = DiscoveryRequest {
                node: Some(Node {
                    id: node.to_owned(),
                    ..Default::default()
                }),
                type_url: ResourceType::Cluster.type_url().to_owned(),
                ..Default::default()
            };
            requests.send(first).await.unwrap();
            let request = self.request(ReceiverStream::new(outbound));
            let status = |status: tonic::Status| Failure::Status(status.code());
            let responses = client.stream_aggregated_resources(request).await;
            let mut responses = responses.map_err(status)?.into_inner();
            let first = responses.message().await.map_err(status)?;
            Ok(Stream {
                first: first.expect("an answer"),
                responses,
                requests,
            })
        };
        timeout(DEADLINE, asked).await.expect("an end in time")
    }
}

/// Why there was no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    NoConnection,
    Status(tonic::Code),
}

/// An open stream.
#[derive(Debug)]
pub(crate) struct Stream {
    first: DiscoveryResponse,
    responses: Streaming<DiscoveryResponse>,
    requests: mpsc::Sender<DiscoveryRequest>,
}

impl Stream {
    /// Asks for another type, and gets an answer.
    pub(crate) async fn lives(&mut self) {
        assert!(!self.first.nonce.is_empty());
        let request = DiscoveryRequest {
            type_url: ResourceType::Listener.type_url().to_owned(),
            ..Default::default()
        };
        self.requests.send(request).await.expect("an open stream");
        let answer = timeout(DEADLINE, self.responses.message()).await;
        let answer = answer.expect("in time").expect("no error");
        assert_eq!(
            answer.expect("an answer").type_url,
            ResourceType::Listener.type_url()
        );
    }
}
