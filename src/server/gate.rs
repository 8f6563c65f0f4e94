//! Lets clients in or turns them away; what it refuses is counted and logged.

use std::fmt::Display;
use std::io::ErrorKind;
use std::net::SocketAddr;
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
use super::throttle::Throttle;
use crate::access::Authentication;
use crate::access::Claims;
use crate::access::Refusal;
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

impl Gate {
    pub(super) fn new(authentication: Authentication, stats: Arc<Stats>) -> Self {
        Self {
            authentication,
            stats,
            throttle: Mutex::default(),
        }
    }

    /// Authenticates the client of a new stream, before anything of it is read.
    pub(super) fn enter(
        self: &Arc<Self>,
        headers: &HeaderMap,
        extensions: &Extensions,
    ) -> Result<Guest, Status> {
        let peer = extensions.get::<Peer>();
        let address = peer.map(|peer| peer.address);
        let uris = peer.and_then(|peer| peer.uris.as_deref());
        let authorization = headers.get(AUTHORIZATION);
        let claims = self
            .authentication
            .claims(uris, authorization.map(|value| value.as_bytes()))
            .map_err(|refusal| self.refuse(address, refusal, None, ""))?;
        Ok(Guest {
            gate: Arc::clone(self),
            peer: address,
            claims,
        })
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
