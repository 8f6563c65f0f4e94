//! Why a client is told nothing.

use std::fmt;

/// Why a client is told nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The TLS handshake failed, or took too long: among others, a certificate that is missing, expired or of another CA.
    Handshake,
    /// Too many handshakes were under way.
    Crowded,
    /// Neither a certificate nor a token.
    NoCredential,
    /// A token that is not known, expired or for another audience, or an `authorization` that is no bearer token.
    WrongToken,
    /// A token of a service account that belongs to no Pod.
    Unbound,
    /// The token could not be reviewed: the API server is away, or has too much to do.
    Unreviewed,
    /// A certificate with no URI that names a node or a namespace.
    NoIdentity,
    /// The node is another one than those that the credentials stand for.
    OtherNode,
}

impl Refusal {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 8] = [
        Self::Handshake,
        Self::Crowded,
        Self::NoCredential,
        Self::WrongToken,
        Self::Unbound,
        Self::Unreviewed,
        Self::NoIdentity,
        Self::OtherNode,
    ];

    /// A word for it, as metrics label it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::Crowded => "crowded",
            Self::NoCredential => "no_credential",
            Self::WrongToken => "wrong_token",
            Self::Unbound => "unbound_token",
            Self::Unreviewed => "unreviewed_token",
            Self::NoIdentity => "no_identity",
            Self::OtherNode => "other_node",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Handshake => "the TLS handshake failed",
            Self::Crowded => "too many TLS handshakes at once",
            Self::NoCredential => "neither a client certificate nor a token",
            Self::WrongToken => "the token is not known",
            Self::Unbound => "the token is not bound to a Pod",
            Self::Unreviewed => "the token cannot be reviewed now",
            Self::NoIdentity => "the client certificate names no node and no namespace",
            Self::OtherNode => "the credentials are those of another node",
        })
    }
}

/// A refusal, with what the log says about it beyond the reason. Never a part of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The reason.
    pub reason: Refusal,
    /// What else is known; may be empty.
    pub detail: String,
}

impl Refused {
    /// With a detail for the log.
    pub(super) fn new(reason: Refusal, detail: impl Into<String>) -> Self {
        Self {
            reason,
            detail: detail.into(),
        }
    }
}

impl From<Refusal> for Refused {
    fn from(reason: Refusal) -> Self {
        Self::new(reason, "")
    }
}
