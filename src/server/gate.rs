//! Lets clients in or turns them away; what it refuses is counted and logged.

use std::fmt::Display;
use std::future::Future;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use http::Extensions;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use tokio::time::Instant;
use tonic::Status;

use super::node::Node;
use super::stats::Stats;
use crate::access::Authentication;
use crate::access::Claims;
use crate::access::Decision;
use crate::access::Refusal;
use crate::access::Refused;
use crate::throttle::Throttle;
use crate::transport::Failure;
use crate::transport::HANDSHAKE;
use crate::transport::Peer;

/// The guard of one server.
#[derive(Debug)]
pub(super) struct Gate {
    authentication: Authentication,
    stats: Arc<Stats>,
    throttle: Mutex<Throttle>,
}

/// A client that may open a stream or ask about others, and what it may claim there.
#[derive(Clone, Debug)]
pub(super) struct Guest {
    gate: Arc<Gate>,
    pub(super) peer: Option<SocketAddr>,
    claims: Claims,
}

/// What becomes of a client that wants to open a stream.
pub(super) enum Entry {
    /// It is known at once, as it nearly always is.
    Now(Result<Guest, Status>),
    /// Its credential is being reviewed.
    Later(Pin<Box<dyn Future<Output = Result<Guest, Status>> + Send>>),
}

impl Entry {
    /// The guest, once it is known.
    pub(super) async fn guest(self) -> Result<Guest, Status> {
        match self {
            Self::Now(guest) => guest,
            Self::Later(guest) => guest.await,
        }
    }
}

impl Gate {
    pub(super) fn new(authentication: Authentication, stats: Arc<Stats>) -> Self {
        Self {
            authentication,
            stats,
            throttle: Mutex::default(),
        }
    }

    /// Authenticates the client of a new stream, before anything of it is read.
    pub(super) fn enter(self: &Arc<Self>, headers: &HeaderMap, extensions: &Extensions) -> Entry {
        let peer = extensions.get::<Peer>();
        let address = peer.map(|peer| peer.address);
        let uris = peer.and_then(|peer| peer.uris.as_deref());
        let authorization = headers.get(AUTHORIZATION).map(|value| value.as_bytes());
        match self.authentication.decide(uris, authorization) {
            Decision::Made(claims) => Entry::Now(self.admit(address, claims)),
            Decision::Pending(claims) => {
                let gate = Arc::clone(self);
                Entry::Later(Box::pin(async move { gate.admit(address, claims.await) }))
            }
        }
    }

    fn admit(
        self: &Arc<Self>,
        peer: Option<SocketAddr>,
        claims: Result<Claims, Refused>,
    ) -> Result<Guest, Status> {
        match claims {
            Ok(claims) => Ok(Guest {
                gate: Arc::clone(self),
                peer,
                claims,
            }),
            Err(Refused { reason, detail }) => Err(self.refuse(peer, reason, None, detail)),
        }
    }

    /// Takes note of a connection that never came to be.
    pub(super) fn failed(&self, peer: SocketAddr, failure: Failure) {
        let (refusal, detail) = match failure {
            // It closed the connection: a probe, or a client that does not trust this server and does not say so.
            Failure::Handshake(error) if error.kind() == ErrorKind::UnexpectedEof => {
                tracing::debug!(%peer, "closed before the end of the TLS handshake");
                return;
            }
            Failure::Handshake(error) => (Refusal::Handshake, error.to_string()),
            Failure::Slow => (Refusal::Handshake, format!("not over after {HANDSHAKE:?}")),
            Failure::Crowded => (Refusal::Crowded, String::new()),
        };
        // There is no stream yet that could be told.
        drop(self.refuse(Some(peer), refusal, None, detail));
    }

    fn refuse(
        &self,
        peer: Option<SocketAddr>,
        refusal: Refusal,
        node: Option<&str>,
        detail: impl Display,
    ) -> Status {
        self.stats.count_refusal(refusal);
        let admitted = {
            let mut throttle = self.throttle.lock().unwrap_or_else(PoisonError::into_inner);
            throttle.admit(Instant::now())
        };
        if let Some(held_back) = admitted {
            tracing::warn!(
                code = "MP504",
                peer = peer.as_ref().map(tracing::field::display),
                node,
                reason = %refusal,
                detail = %detail,
                held_back,
                "a client was refused",
            );
        }
        match refusal {
            Refusal::OtherNode | Refusal::NoIdentity => {
                Status::permission_denied(refusal.to_string())
            }
            // It may be let in when it comes again.
            Refusal::Unreviewed => Status::unavailable(refusal.to_string()),
            _ => Status::unauthenticated(refusal.to_string()),
        }
    }
}

impl Guest {
    /// Lets the client be the node that it says it is.
    pub(super) fn identify(&self, node: &Node) -> Result<(), Status> {
        self.claims.admit(node.name()).map_err(|refusal| {
            let detail = format_args!("it may be {}", self.claims);
            self.gate.refuse(self.peer, refusal, Some(&node.id), detail)
        })
    }

    /// Whether the client may be told about a node: if it could be that node itself.
    pub(super) fn may_see(&self, node: &Node) -> bool {
        self.claims.admit(node.name()).is_ok()
    }
}
