//! A control plane in this process that reads a cluster, and what its sidecar is told.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::TokioExecutor;
use mirrorplane::app;
use mirrorplane::proto::envoy::config::core::v3 as core;
use mirrorplane::proto::envoy::service::discovery::v3 as discovery;
use mirrorplane::proto::envoy::service::runtime::v3::Runtime;
use mirrorplane::proto::google::protobuf::value::Kind;
use mirrorplane::resolve::Settings;
use mirrorplane::server::Stats;
use mirrorplane::snapshot::ResourceType;
use mirrorplane::source::Source;
use prost::Message;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;

use super::mesh::SHARE;
use crate::rig::eventually;

/// A running control plane; dropping it ends it.
pub(crate) struct Plane {
    pub(crate) ads: SocketAddr,
    admin: SocketAddr,
    task: JoinHandle<()>,
}

impl Plane {
    /// Starts it on a cluster; it need not be ready.
    pub(crate) async fn start(client: kube::Client) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let admin = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addresses = (listener.local_addr().unwrap(), admin.local_addr().unwrap());
        let config = app::Config {
            status: None,
            source: Source::Kubernetes(client),
            entrance: listener.into(),
            webhook: None,
            settings: Settings::default(),
            rollout: Default::default(),
            stats: Arc::new(Stats::default()),
            admin: Some(admin),
        };
        let run = async { app::run(config, std::future::pending()).await.unwrap() };
        Self {
            ads: addresses.0,
            admin: addresses.1,
            task: tokio::spawn(run),
        }
    }

    /// Status and body of a page of its admin address.
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let client: HttpClient<_, Empty<bytes::Bytes>> =
            HttpClient::builder(TokioExecutor::new()).build_http();
        let uri = format!("http://{}{path}", self.admin).parse().unwrap();
        let answer = client.get(uri).await.unwrap();
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    pub(crate) async fn is_ready(&self) -> bool {
        self.get("/readyz").await.0 == 200
    }

    pub(crate) async fn ready(&self) {
        eventually("the control plane is ready", async || {
            self.is_ready().await.then_some(())
        })
        .await;
    }

    /// The value of a series of its metrics, if there is one.
    pub(crate) async fn metric(&self, series: &str) -> Option<f64> {
        let (_, text) = self.get("/metrics").await;
        let mut values = text.lines().filter_map(|line| line.rsplit_once(' '));
        let found = values.find(|(name, _)| *name == series);
        found.map(|(_, value)| value.parse().unwrap())
    }

    /// Waits until the API server answers about a kind, or does not.
    pub(crate) async fn connected(&self, kind: &str, group: &str, expected: f64) {
        let series = format!("mirrorplane_source_connected{{kind=\"{kind}\",group=\"{group}\"}}");
        eventually(format!("{series} {expected}"), async || {
            (self.metric(&series).await == Some(expected)).then_some(())
        })
        .await;
    }

    /// Waits until there are so many diagnostics of a code.
    pub(crate) async fn says(&self, code: &str, severity: &str, count: f64) {
        let series =
            format!("mirrorplane_config_diagnostics{{code=\"{code}\",severity=\"{severity}\"}}");
        eventually(format!("{count} times {code}"), async || {
            let found = self.metric(&series).await.unwrap_or_default();
            (found == count).then_some(())
        })
        .await;
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A sidecar that takes everything, and remembers which shares the guide's mirror has had; `None` while it has none.
pub(crate) struct Sidecar {
    shares: Arc<Mutex<Vec<Option<f64>>>>,
    task: JoinHandle<()>,
}

impl Sidecar {
    pub(crate) async fn start(plane: &Plane, node: &str) -> Self {
        Self::at(&plane.ads.to_string(), node).await
    }

    /// The same, of the control plane at this address.
    pub(crate) async fn at(address: &str, node: &str) -> Self {
        let url = format!("http://{address}");
        type Client =
            discovery::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient<
                tonic::transport::Channel,
            >;
        let mut client = Client::connect(url).await.unwrap();
        let (requests, outbound) = mpsc::channel(16);
        let first = discovery::DiscoveryRequest {
            node: Some(core::Node {
                id: node.to_owned(),
                ..core::Node::default()
            }),
            type_url: ResourceType::Runtime.type_url().to_owned(),
            resource_names: vec!["mirrorplane".to_owned()],
            ..discovery::DiscoveryRequest::default()
        };
        requests.send(first.clone()).await.unwrap();
        let stream = client.stream_aggregated_resources(ReceiverStream::new(outbound));
        let mut responses = stream.await.unwrap().into_inner();
        let shares = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&shares);
        let task = tokio::spawn(async move {
            while let Some(response) = responses.message().await.unwrap() {
                let layer = &response.resources[0];
                let layer = Runtime::decode(layer.value.as_ref()).unwrap();
                let fields = layer.layer.unwrap_or_default().fields;
                let share = fields.get(SHARE).and_then(|share| match share.kind {
                    Some(Kind::NumberValue(percent)) => Some(percent),
                    _ => None,
                });
                seen.lock().unwrap().push(share);
                let accepted = discovery::DiscoveryRequest {
                    response_nonce: response.nonce,
                    version_info: response.version_info,
                    node: None,
                    ..first.clone()
                };
                if requests.send(accepted).await.is_err() {
                    return;
                }
            }
        });
        Self { shares, task }
    }

    /// Waits until the share of the guide's mirror is so many percent.
    pub(crate) async fn has(&self, percent: Option<f64>) {
        eventually(format!("a share of {percent:?}"), async || {
            let last = self.shares.lock().unwrap().last().copied();
            (last == Some(percent)).then_some(())
        })
        .await;
    }

    /// All shares that it was told, from the first.
    pub(crate) fn told(&self) -> Vec<Option<f64>> {
        self.shares.lock().unwrap().clone()
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        self.task.abort();
    }
}
