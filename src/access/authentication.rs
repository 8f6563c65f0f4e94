//! From what a client shows to what it may claim.

use std::fmt;
use std::sync::Arc;

use tokio::sync::watch;

use super::claim::Claim;
use super::tokens::Tokens;
use crate::name::Namespaced;

/// How clients are authenticated. Another kind of credential, as a service account's token, is another source of claims
/// in [`Authentication::claims`].
#[derive(Clone, Debug, Default)]
pub enum Authentication {
    /// Not at all: every client is believed.
    #[default]
    Off,
    /// By a certificate that the transport has verified, or by a bearer token; either will do.
    On {
        /// The tokens, as they are now; `None` if there are certificates only.
        tokens: Option<watch::Receiver<Arc<Tokens>>>,
    },
}

impl Authentication {
    /// What a client may claim: `uris` are those of its verified certificate, if it has one, `authorization` is the header
    /// of that name. A certificate and a token add up; a token that is shown must be right.
    ///
    /// # Errors
    ///
    /// If it shows nothing that is accepted.
    pub fn claims(
        &self,
        uris: Option<&[String]>,
        authorization: Option<&[u8]>,
    ) -> Result<Claims, Refusal> {
        let Self::On { tokens } = self else {
            return Ok(Claims::Anyone);
        };
        let mut claims: Vec<Claim> = uris
            .unwrap_or_default()
            .iter()
            .filter_map(|uri| Claim::of_uri(uri))
            .collect();
        let mut shown = uris.is_some();
        if let (Some(tokens), Some(header)) = (tokens, authorization) {
            let token = bearer(header).ok_or(Refusal::WrongToken)?;
            let of_token = tokens.borrow().claims(token);
            if of_token.is_empty() {
                return Err(Refusal::WrongToken);
            }
            claims.extend(of_token);
            shown = true;
        }
        match (shown, claims.is_empty()) {
            (false, _) => Err(Refusal::NoCredential),
            (true, true) => Err(Refusal::NoIdentity),
            (true, false) => Ok(Claims::Of(claims)),
        }
    }
}

/// RFC 6750, section 2.1; the scheme's case does not matter (RFC 9110, section 11.1).
fn bearer(header: &[u8]) -> Option<&str> {
    let (scheme, token) = std::str::from_utf8(header).ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// What a client may claim to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claims {
    /// Whoever it says: clients are not authenticated.
    Anyone,
    /// One of these.
    Of(Vec<Claim>),
}

impl Claims {
    /// Lets a client be the node that it says it is. `None` is a node whose id is not of the form `NAMESPACE/NAME`.
    ///
    /// # Errors
    ///
    /// If none of the claims covers it.
    pub fn admit(&self, node: Option<&Namespaced>) -> Result<(), Refusal> {
        match self {
            Self::Anyone => Ok(()),
            Self::Of(claims) => node
                .is_some_and(|node| claims.iter().any(|claim| claim.covers(node)))
                .then_some(())
                .ok_or(Refusal::OtherNode),
        }
    }
}

/// For the log.
impl fmt::Display for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anyone => f.write_str("anyone"),
            Self::Of(claims) => {
                for (index, claim) in claims.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(f, "{comma}{claim}")?;
                }
                Ok(())
            }
        }
    }
}

/// Why a client is told nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The TLS handshake failed, or took too long: among others, a certificate that is missing, expired or of another CA.
    Handshake,
    /// Too many handshakes were under way.
    Crowded,
    /// Neither a certificate nor a token.
    NoCredential,
    /// A token that is not known, or an `authorization` that is no bearer token.
    WrongToken,
    /// A certificate with no URI that names a node or a namespace.
    NoIdentity,
    /// The node is another one than those that the credentials stand for.
    OtherNode,
}

impl Refusal {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 6] = [
        Self::Handshake,
        Self::Crowded,
        Self::NoCredential,
        Self::WrongToken,
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
            Self::NoIdentity => "the client certificate names no node and no namespace",
            Self::OtherNode => "the credentials are those of another node",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use tokio::sync::watch;

    use super::Authentication;
    use super::Refusal;
    use super::Tokens;
    use crate::reload::File;

    fn with_tokens() -> Authentication {
        let file = File {
            path: PathBuf::from("tokens"),
            content: b"0123456789abcdef curl/curl".to_vec(),
        };
        let (_, tokens) = watch::channel(Arc::new(Tokens::read(&file).unwrap()));
        Authentication::On {
            tokens: Some(tokens),
        }
    }

    #[test]
    fn credentials_decide_which_nodes_may_be_claimed() {
        let certificates = Authentication::On { tokens: None };
        let spiffe = "spiffe://mesh/ns/pipy/sa/default";
        let (right, wrong) = ("Bearer 0123456789abcdef", "Bearer 0123456789abcdee");
        for (on, uris, authorization, expected) in [
            (Authentication::Off, None, None, Ok("anyone")),
            (Authentication::Off, None, Some(wrong), Ok("anyone")),
            (certificates.clone(), None, None, Err(Refusal::NoCredential)),
            (certificates.clone(), Some(spiffe), None, Ok("pipy/*")),
            // Where no tokens are asked for, none is looked at.
            (
                certificates.clone(),
                Some(spiffe),
                Some(wrong),
                Ok("pipy/*"),
            ),
            (
                certificates,
                Some("https://x"),
                None,
                Err(Refusal::NoIdentity),
            ),
            (with_tokens(), None, None, Err(Refusal::NoCredential)),
            (with_tokens(), None, Some(right), Ok("curl/curl")),
            (
                with_tokens(),
                None,
                Some("bearer  0123456789abcdef"),
                Ok("curl/curl"),
            ),
            (with_tokens(), None, Some(wrong), Err(Refusal::WrongToken)),
            (
                with_tokens(),
                None,
                Some("0123456789abcdef"),
                Err(Refusal::WrongToken),
            ),
            (with_tokens(), Some(spiffe), None, Ok("pipy/*")),
            (
                with_tokens(),
                Some(spiffe),
                Some(right),
                Ok("pipy/*, curl/curl"),
            ),
            (
                with_tokens(),
                Some(spiffe),
                Some(wrong),
                Err(Refusal::WrongToken),
            ),
            (
                with_tokens(),
                Some("https://x"),
                Some(right),
                Ok("curl/curl"),
            ),
        ] {
            let uris = uris.map(|uri| vec![uri.to_owned()]);
            let claims = on.claims(uris.as_deref(), authorization.map(str::as_bytes));
            let claims = claims.map(|claims| claims.to_string());
            assert_eq!(
                claims.as_deref(),
                expected.as_ref().copied(),
                "{uris:?} {authorization:?}"
            );
        }
    }

    #[test]
    fn a_node_without_a_name_is_nobody() {
        let claims = with_tokens().claims(None, Some(b"Bearer 0123456789abcdef"));
        let claims = claims.unwrap();
        assert_eq!(claims.admit(None), Err(Refusal::OtherNode));
        let node = |text: &str| text.parse().unwrap();
        assert_eq!(claims.admit(Some(&node("curl/curl"))), Ok(()));
        assert_eq!(
            claims.admit(Some(&node("curl/curly"))),
            Err(Refusal::OtherNode)
        );
    }
}
