//! Which method is which: the discovery services on streams of our own, everything else as tonic has it.

use std::convert::Infallible;
use std::future::Future;
use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::Weak;

use http::HeaderValue;
use http::Method;
use http::Request;
use http::Response;
use http::header::CONTENT_TYPE;
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use tonic::Status;
use tonic::body::Body;
use tonic::service::Routes;

use super::client::Client;
use super::clients::Clients;
use super::delta::Delta;
use super::encode::Encoder;
use super::exchange::Exchange;
use super::exchange::Outbound;
use super::exchange::lock;
use super::feed::Feeds;
use super::gate::Entry;
use super::gate::Gate;
use super::gate::Guest;
use super::journal::Journal;
use super::message::Messages;
use super::sotw::Sotw;
use super::stats::Stats;
use super::stream::Stream;
use super::stream::Variant;
use crate::snapshot::ResourceType;

/// The methods that open a stream: its variant, and the type that it is of if it is of one only.
///
/// The services of single types have no order between them: whoever wants make before break uses ADS, which exists for it
/// ("Aggregated Discovery Service" of the xDS protocol). Their `Fetch` methods are the REST variant's, and not offered.
fn method(path: &str) -> Option<(Variant, Option<ResourceType>)> {
    use ResourceType as Type;
    let (service, method) = path.strip_prefix("/envoy.service.")?.split_once('/')?;
    let (only, name) = match service {
        "discovery.v3.AggregatedDiscoveryService" => (None, "AggregatedResources"),
        "cluster.v3.ClusterDiscoveryService" => (Some(Type::Cluster), "Clusters"),
        "endpoint.v3.EndpointDiscoveryService" => (Some(Type::Endpoint), "Endpoints"),
        "listener.v3.ListenerDiscoveryService" => (Some(Type::Listener), "Listeners"),
        "route.v3.RouteDiscoveryService" => (Some(Type::Route), "Routes"),
        "runtime.v3.RuntimeDiscoveryService" => (Some(Type::Runtime), "Runtime"),
        _ => return None,
    };
    let variant = match method.strip_suffix(name)? {
        "Stream" => Variant::Sotw,
        "Delta" => Variant::Delta,
        _ => return None,
    };
    Some((variant, only))
}

/// What all streams share.
#[derive(Clone, Debug)]
pub(super) struct Discovery {
    pub(super) stats: Arc<Stats>,
    pub(super) gate: Arc<Gate>,
    pub(super) clients: Arc<Clients>,
    pub(super) feeds: Arc<Feeds>,
    pub(super) encoder: Arc<Encoder>,
}

/// All services of a server.
#[derive(Clone)]
pub(super) struct Services {
    pub(super) discovery: Discovery,
    pub(super) others: TowerToHyperService<Routes>,
}

impl Service<Request<Incoming>> for Services {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let opens = method(request.uri().path()).filter(|_| request.method() == Method::POST);
        let Some((variant, only)) = opens else {
            return Box::pin(self.others.call(request));
        };
        let gate = &self.discovery.gate;
        match gate.enter(request.headers(), request.extensions()) {
            Entry::Now(guest) => {
                let response = self.discovery.answer(request, variant, only, guest);
                Box::pin(ready(Ok(response)))
            }
            Entry::Later(guest) => {
                let discovery = self.discovery.clone();
                Box::pin(async move {
                    let guest = guest.await;
                    Ok(discovery.answer(request, variant, only, guest))
                })
            }
        }
    }
}

impl Discovery {
    /// Opens a stream for a guest, of all types or of one only.
    fn answer(
        &self,
        request: Request<Incoming>,
        variant: Variant,
        only: Option<ResourceType>,
        guest: Result<Guest, Status>,
    ) -> Response<Body> {
        match (guest, variant) {
            (Ok(guest), Variant::Sotw) => self.open::<Sotw>(request, only, guest),
            (Ok(guest), Variant::Delta) => self.open::<Delta>(request, only, guest),
            (Err(status), _) => status.into_http(),
        }
    }

    fn open<S: Stream>(
        &self,
        request: Request<Incoming>,
        only: Option<ResourceType>,
        guest: Guest,
    ) -> Response<Body> {
        let span = tracing::info_span!(
            "stream",
            variant = S::VARIANT.as_str(),
            node = tracing::field::Empty,
            group = tracing::field::Empty,
            peer = guest.peer.as_ref().map(tracing::field::display),
        );
        let journal = Journal::open(&self.stats, S::VARIANT, guest.peer);
        let client = Arc::new_cyclic(|client: &Weak<Mutex<Client<S>>>| {
            let client = Weak::clone(client);
            let look = move || client.upgrade().and_then(|client| lock(&client).sidecar());
            Mutex::new(Client::new(guest, journal, only, Arc::new(look)))
        });
        let looked_at = Arc::downgrade(&client);
        let holdings = move || {
            looked_at
                .upgrade()
                .and_then(|client| lock(&client).holdings())
        };
        let exchange = Exchange {
            inbound: Messages::new(request.into_body()),
            feed: self.feeds.open(),
            client,
            encoder: Arc::clone(&self.encoder),
            span,
            _listed: self.clients.enter(holdings),
            outbound: Outbound::default(),
        };
        let mut response = Response::new(Body::new(exchange));
        let grpc = HeaderValue::from_static("application/grpc");
        response.headers_mut().insert(CONTENT_TYPE, grpc);
        response
    }
}
