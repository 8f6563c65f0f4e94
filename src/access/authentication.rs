//! From what a client shows to what it may claim.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::watch;

use super::claim::Claim;
use super::refusal::Refusal;
use super::refusal::Refused;
use super::reviews::Review;
use super::reviews::Reviews;
use super::reviews::answered;
use super::tokens::Tokens;
use crate::name::Namespaced;

/// How clients are authenticated.
#[derive(Clone, Debug, Default)]
pub enum Authentication {
    /// Not at all: every client is believed.
    #[default]
    Off,
    /// By a certificate that the transport has verified, or by a bearer token; either will do.
    On {
        /// The tokens, as they are now; `None` if there is no file of them.
        tokens: Option<watch::Receiver<Arc<Tokens>>>,
        /// Who reviews tokens of service accounts; `None` if these are not accepted.
        reviews: Option<Arc<Reviews>>,
    },
}

/// Who a client may be; or somebody else has to be asked first.
pub(crate) enum Decision {
    /// It is known.
    Made(Result<Claims, Refused>),
    /// It takes a review, for which nothing of the client is needed any more.
    Pending(Pin<Box<dyn Future<Output = Result<Claims, Refused>> + Send>>),
}

impl Authentication {
    /// What a client may claim, or why nothing: `uris` are those of its verified certificate, if it has one,
    /// `authorization` is the header of that name. A certificate and a token add up; a token that is shown must be right.
    pub(crate) fn decide(&self, uris: Option<&[String]>, authorization: Option<&[u8]>) -> Decision {
        let Self::On { tokens, reviews } = self else {
            return Decision::Made(Ok(Claims::Anyone));
        };
        let mut claims: Vec<Claim> = uris
            .unwrap_or_default()
            .iter()
            .filter_map(|uri| Claim::of_uri(uri))
            .collect();
        let header = authorization.filter(|_| tokens.is_some() || reviews.is_some());
        let Some(header) = header else {
            let refusal = match uris {
                _ if !claims.is_empty() => return Decision::Made(Ok(Claims::Of(claims))),
                Some(_) => Refusal::NoIdentity,
                None => Refusal::NoCredential,
            };
            return Decision::Made(Err(refusal.into()));
        };
        let Some(token) = bearer(header) else {
            return Decision::Made(Err(Refusal::WrongToken.into()));
        };
        let known = tokens.as_ref().map(|tokens| tokens.borrow().claims(token));
        let known = known.unwrap_or_default();
        if !known.is_empty() {
            claims.extend(known);
            return Decision::Made(Ok(Claims::Of(claims)));
        }
        let of_pod = move |verdict: Result<Namespaced, Refused>| {
            claims.push(Claim::Node(verdict?));
            Ok(Claims::Of(claims))
        };
        match reviews.as_ref().map(|reviews| reviews.of(token)) {
            None => Decision::Made(Err(Refusal::WrongToken.into())),
            Some(Review::Known(verdict)) => Decision::Made(of_pod(verdict)),
            Some(Review::UnderWay(answer)) => {
                Decision::Pending(Box::pin(async move { of_pod(answered(answer).await) }))
            }
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

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use tokio::sync::watch;

    use super::Authentication;
    use super::Decision;
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
            reviews: None,
        }
    }

    #[test]
    fn credentials_decide_which_nodes_may_be_claimed() {
        let certificates = Authentication::On {
            tokens: None,
            reviews: None,
        };
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
            let decision = on.decide(uris.as_deref(), authorization.map(str::as_bytes));
            let Decision::Made(claims) = decision else {
                panic!("nobody is to be asked");
            };
            let claims = claims.map(|claims| claims.to_string());
            assert_eq!(
                claims.as_deref().map_err(|refused| refused.reason),
                expected,
                "{uris:?} {authorization:?}"
            );
        }
    }

    #[test]
    fn a_node_without_a_name_is_nobody() {
        let decision = with_tokens().decide(None, Some(b"Bearer 0123456789abcdef"));
        let Decision::Made(Ok(claims)) = decision else {
            panic!("the token is good");
        };
        assert_eq!(claims.admit(None), Err(Refusal::OtherNode));
        let node = |text: &str| text.parse().unwrap();
        assert_eq!(claims.admit(Some(&node("curl/curl"))), Ok(()));
        assert_eq!(
            claims.admit(Some(&node("curl/curly"))),
            Err(Refusal::OtherNode)
        );
    }
}
