//! The connection to the control plane: the only I/O of ADS.

use std::error::Error;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::sleep;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Request, Status, Streaming};

use super::connect::connect;
use super::delta::Delta;
use super::sotw::Sotw;
use super::{Outcome, Session, Update};
use crate::proto::envoy::config::core::v3::Node;
use crate::proto::envoy::service::discovery::v3::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use crate::shim::bootstrap::{Bootstrap, NoSecret, Variant};
use crate::shim::listener::Command;
use crate::shim::plane::Plane;
use crate::shim::state::State;
use crate::shim::stats::Stats;
use crate::shim::task::Tasks;

type AdsClient = AggregatedDiscoveryServiceClient<Channel>;

/// Requests that may wait to be sent; the opening ones, one per type, must fit.
const REQUESTS: usize = 16;
/// Largest response that is read. Envoy has no such bound, but a mistake should not fill the memory.
const MAX_MESSAGE: usize = 256 << 20;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Applies what the control plane says, and keeps it while the control plane is away.
pub(in crate::shim) struct Client {
    pub(in crate::shim) bootstrap: Bootstrap,
    pub(in crate::shim) state: State,
    pub(in crate::shim) plane: watch::Sender<Arc<Plane>>,
    pub(in crate::shim) listeners: mpsc::Sender<Command>,
    pub(in crate::shim) stats: Arc<Stats>,
    pub(in crate::shim) tasks: Tasks,
}

impl Client {
    /// Connects, and connects again, for ever.
    pub(in crate::shim) async fn run(mut self) {
        match self.bootstrap.variant {
            Variant::Sotw => {
                self.follow(Sotw::default(), |mut client, requests| async move {
                    client
                        .stream_aggregated_resources(requests)
                        .await
                        .map(tonic::Response::into_inner)
                })
                .await;
            }
            Variant::Delta => {
                self.follow(Delta::default(), |mut client, requests| async move {
                    client
                        .delta_aggregated_resources(requests)
                        .await
                        .map(tonic::Response::into_inner)
                })
                .await;
            }
        }
    }

    async fn follow<S, F>(
        &mut self,
        mut session: S,
        open: impl Fn(AdsClient, Request<ReceiverStream<S::Request>>) -> F,
    ) where
        S: Session,
        F: Future<Output = Result<Streaming<S::Response>, Status>>,
    {
        let mut pause = FIRST_PAUSE;
        // Said once for each time that the control plane goes away.
        let mut told = false;
        let endpoints = self.bootstrap.control_plane.clone();
        for endpoint in endpoints.iter().cycle() {
            match self.stream(endpoint, &mut session, &open).await {
                // Something was received: the control plane was well, and may be so again at once.
                Ended::Received => {
                    pause = FIRST_PAUSE;
                    told = false;
                }
                Ended::Failed(error) if told => {
                    tracing::debug!(endpoint, error = root(&*error), "still no control plane");
                }
                Ended::Failed(error) => {
                    told = true;
                    tracing::warn!(
                        endpoint,
                        error = root(&*error),
                        "cannot reach the control plane; trying again until it answers"
                    );
                }
            }
            // From half the pause to the whole of it, so that clients do not come back all at once.
            sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn stream<S, F>(
        &mut self,
        endpoint: &str,
        session: &mut S,
        open: &impl Fn(AdsClient, Request<ReceiverStream<S::Request>>) -> F,
    ) -> Ended
    where
        S: Session,
        F: Future<Output = Result<Streaming<S::Response>, Status>>,
    {
        let channel = match connect(&self.bootstrap, endpoint).await {
            Ok(channel) => channel,
            Err(error) => return Ended::Failed(error.into()),
        };
        let client = AdsClient::new(channel)
            .max_decoding_message_size(MAX_MESSAGE)
            .max_encoding_message_size(MAX_MESSAGE);
        let (requests, outgoing) = mpsc::channel(REQUESTS);
        for request in session.start(&self.node(), &self.state.wanted()) {
            // The answer's head may come only after the first request, so nothing is awaited here.
            if requests.try_send(request).is_err() {
                return Ended::Failed("too many opening requests".into());
            }
        }
        let outgoing = match self.outgoing(outgoing).await {
            Ok(outgoing) => outgoing,
            Err(error) => return Ended::Failed(error.into()),
        };
        let mut responses = match open(client, outgoing).await {
            Ok(responses) => responses,
            Err(status) => return Ended::Failed(status.into()),
        };
        tracing::info!(endpoint, "stream to the control plane opened");
        self.stats.ads(|counts| counts.streams += 1);
        let mut ended = Ended::Failed("the stream ended without a response".into());
        while let Some(response) = next(&mut responses).await {
            ended = Ended::Received;
            let Some(update) = session.receive(response) else {
                tracing::debug!(endpoint, "a response of a type nobody asked for");
                continue;
            };
            let kind = update.kind;
            let outcome = self.apply(update).await;
            for request in session.answer(kind, &outcome, &self.state.wanted()) {
                if requests.send(request).await.is_err() {
                    return ended;
                }
            }
        }
        tracing::info!(
            endpoint,
            "stream to the control plane ended; the configuration stays"
        );
        ended
    }

    /// The requests of a stream, with the headers that the bootstrap asks for.
    async fn outgoing<T>(
        &self,
        requests: mpsc::Receiver<T>,
    ) -> Result<Request<ReceiverStream<T>>, NoSecret> {
        let mut outgoing = Request::new(ReceiverStream::new(requests));
        for (key, value) in &self.bootstrap.initial_metadata {
            outgoing.metadata_mut().append(key.clone(), value.clone());
        }
        if let Some(injected) = &self.bootstrap.injected {
            let (key, value) = injected.read().await?;
            outgoing.metadata_mut().insert(key, value);
        }
        Ok(outgoing)
    }

    pub(in crate::shim) fn node(&self) -> Node {
        Node {
            id: self.bootstrap.node_id.clone(),
            cluster: self.bootstrap.node_cluster.clone(),
            user_agent_name: "mirrorplane-shim".to_owned(),
            ..Default::default()
        }
    }

    /// Takes over an update: first what requests see, then the sockets, whose failure is a rejection as well.
    async fn apply(&mut self, update: Update) -> Outcome {
        let kind = update.kind;
        let mut outcome = self.state.apply(update);
        let next = self
            .plane
            .borrow()
            .next(&self.state, &self.stats, &self.tasks);
        self.plane.send_replace(Arc::new(next));
        if kind == super::Kind::Listener {
            self.bind(&mut outcome).await;
        }
        self.stats.ads(|counts| {
            *counts.responses.entry(kind).or_default() += 1;
            match &outcome.error {
                None => *counts.acks.entry(kind).or_default() += 1,
                Some(error) => {
                    *counts.nacks.entry(kind).or_default() += 1;
                    counts.last_error = Some(error.clone());
                }
            }
        });
        match &outcome.error {
            None => tracing::debug!(%kind, "accepted"),
            Some(error) => tracing::warn!(%kind, error, "rejected"),
        }
        outcome
    }

    async fn bind(&self, outcome: &mut Outcome) {
        let (reply, answer) = oneshot::channel();
        let command = Command::Apply(self.state.listeners.clone(), reply);
        if self.listeners.send(command).await.is_err() {
            return;
        }
        for (name, reason) in answer.await.unwrap_or_default() {
            let message = format!("{} {name}: {reason}", super::Kind::Listener);
            outcome.error.get_or_insert(message);
            outcome.rejected.insert(name);
        }
    }
}

/// What is at the bottom of an error; the layers above it say that there is one.
fn root<'a>(error: &'a (dyn Error + Send + Sync + 'static)) -> &'a (dyn Error + 'static) {
    let mut root: &dyn Error = error;
    while let Some(source) = root.source() {
        root = source;
    }
    root
}

/// How a stream ended.
enum Ended {
    Received,
    Failed(Box<dyn Error + Send + Sync>),
}

/// The next response; `None` at the end of the stream, whatever ended it.
async fn next<T>(responses: &mut Streaming<T>) -> Option<T>
where
    Streaming<T>: Stream,
{
    match responses.message().await {
        Ok(response) => response,
        Err(status) => {
            tracing::debug!(%status, "stream broken");
            None
        }
    }
}
