//! What a review by the Kubernetes API says of a token: values only.

use std::time::Duration;
use std::time::SystemTime;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use k8s_openapi::api::authentication::v1::TokenReviewStatus;
use serde::Deserialize;

use super::refusal::Refusal;
use super::refusal::Refused;
use crate::name::Namespaced;

/// Under which the API server names the Pod that a token is bound to.
const POD: &str = "authentication.kubernetes.io/pod-name";

/// So much of what the API server says against a token goes to the log, in characters.
const LONGEST_DETAIL: usize = 300;

/// The Pod that a reviewed token belongs to.
pub(super) fn verdict(status: &TokenReviewStatus, audience: &str) -> Result<Namespaced, Refused> {
    if status.authenticated != Some(true) {
        let said = status.error.as_deref().unwrap_or("not authenticated");
        let said: String = said.chars().take(LONGEST_DETAIL).collect();
        return Err(Refused::new(Refusal::WrongToken, said));
    }
    // An authenticator that knows nothing of audiences names none.
    let audiences = status.audiences.as_deref().unwrap_or_default();
    if !audiences.iter().any(|one| one == audience) {
        return Err(Refused::new(Refusal::WrongToken, "of another audience"));
    }
    let user = status.user.as_ref();
    let name = user.and_then(|user| user.username.as_deref());
    let name = name.unwrap_or_default();
    let Some((namespace, _)) = name
        .strip_prefix("system:serviceaccount:")
        .and_then(|account| account.split_once(':'))
        .filter(|(namespace, account)| !namespace.is_empty() && !account.is_empty())
    else {
        return Err(Refused::new(Refusal::WrongToken, "of no service account"));
    };
    let pods = user
        .and_then(|user| user.extra.as_ref()?.get(POD))
        .map(Vec::as_slice);
    match pods {
        Some([pod]) if !pod.is_empty() => Ok(Namespaced::new(namespace, pod)),
        _ => Err(Refused::new(Refusal::Unbound, name)),
    }
}

/// How long a token is good for, by its own words: RFC 7519, `exp`. `None` if it is no JWT with an end, as every token
/// that the kubelet puts into a Pod is. Nothing is verified here.
pub(super) fn time_left(token: &str, now: SystemTime) -> Option<Duration> {
    #[derive(Deserialize)]
    struct Claims {
        exp: u64,
    }
    let mut parts = token.split('.');
    let (Some(_), Some(claims), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let claims = BASE64_URL_SAFE_NO_PAD.decode(claims).ok()?;
    let Claims { exp } = serde_json::from_slice(&claims).ok()?;
    let now = now.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(Duration::from_secs(exp).saturating_sub(now))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;
    use std::time::SystemTime;

    use base64::Engine;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;
    use serde_json::Value;
    use serde_json::json;

    use super::Refusal;
    use super::time_left;
    use super::verdict;

    #[test]
    fn a_token_stands_for_the_pod_that_it_is_bound_to_and_for_no_other() {
        const KEY: &str = "authentication.kubernetes.io/pod-name";
        let account = "system:serviceaccount:curl:default";
        let good = |name: &str, extra: Value| {
            json!({ "authenticated": true, "audiences": ["mirrorplane"],
                "user": { "username": name, "extra": extra } })
        };
        let pod = json!({ KEY: ["curl-7f9c"] });
        for (status, expected) in [
            (good(account, pod.clone()), Ok("curl/curl-7f9c")),
            (
                good("system:serviceaccount:curl:", pod.clone()),
                Err(Refusal::WrongToken),
            ),
            (
                good("system:serviceaccount::x", pod.clone()),
                Err(Refusal::WrongToken),
            ),
            (
                good("system:serviceaccount:curl", pod.clone()),
                Err(Refusal::WrongToken),
            ),
            (good("admin", pod.clone()), Err(Refusal::WrongToken)),
            (good(account, json!({})), Err(Refusal::Unbound)),
            (good(account, json!({ KEY: [] })), Err(Refusal::Unbound)),
            (good(account, json!({ KEY: [""] })), Err(Refusal::Unbound)),
            (
                good(account, json!({ KEY: ["a", "b"] })),
                Err(Refusal::Unbound),
            ),
            (
                good(
                    account,
                    json!({ "authentication.kubernetes.io/node-name": ["n"] }),
                ),
                Err(Refusal::Unbound),
            ),
            (json!({}), Err(Refusal::WrongToken)),
            (json!({ "authenticated": true }), Err(Refusal::WrongToken)),
            (
                json!({ "authenticated": false, "error": "token has expired" }),
                Err(Refusal::WrongToken),
            ),
            (
                json!({ "authenticated": false, "audiences": ["mirrorplane"],
                    "user": { "username": account, "extra": pod } }),
                Err(Refusal::WrongToken),
            ),
            (
                json!({ "authenticated": true, "audiences": ["vault", "mirrorplane2"],
                    "user": { "username": account, "extra": pod } }),
                Err(Refusal::WrongToken),
            ),
            (
                json!({ "authenticated": true,
                    "user": { "username": account, "extra": pod } }),
                Err(Refusal::WrongToken),
            ),
        ] {
            let status =
                serde_json::from_value(status.clone()).unwrap_or_else(|_| panic!("{status}"));
            let found = verdict(&status, "mirrorplane").map(|node| node.to_string());
            let found = found.as_deref().map_err(|refused| refused.reason);
            assert_eq!(found, expected, "{status:?}");
        }
    }

    #[test]
    fn a_token_says_how_long_it_is_good_for() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        let of = |claims: &str| format!("h.{}.s", BASE64_URL_SAFE_NO_PAD.encode(claims));
        for (token, expected) in [
            (of(r#"{"exp":1600,"aud":["x"]}"#), Some(600)),
            (of(r#"{"exp":1000}"#), Some(0)),
            (of(r#"{"exp":1}"#), Some(0)),
            (of(r#"{"exp":"1600"}"#), None),
            (of(r#"{"exp":-5}"#), None),
            (of("{}"), None),
            (of("nothing"), None),
            ("0123456789abcdef".to_owned(), None),
            ("a.%.c".to_owned(), None),
            (format!("{}.x", of(r#"{"exp":1600}"#)), None),
            (String::new(), None),
        ] {
            let left = time_left(&token, now).map(|left| left.as_secs());
            assert_eq!(left, expected, "{token}");
        }
    }
}
