//! Headers that belong to one connection, and those the proxy sets.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Pairs a request with its copies.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Fields that are about one connection only (RFC 9110, section 7.6.1).
static HOP_BY_HOP: [HeaderName; 5] = [
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// Removes what must not be passed on: the fields above, and those that `Connection` names.
pub(super) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        // `TE: trailers` is what gRPC needs to get through; it is looked at below.
        .filter(|name| *name != header::TE)
        .collect();
    for name in HOP_BY_HOP.iter().chain(&named) {
        headers.remove(name);
    }
    if headers
        .get(header::TE)
        .is_some_and(|value| value != "trailers")
    {
        headers.remove(header::TE);
    }
}

/// The protocol that a request wants to change to, in lower case.
pub(super) fn upgrade(headers: &HeaderMap) -> Option<String> {
    let asked = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|token| token.trim().eq_ignore_ascii_case("upgrade"));
    let protocol = headers.get(header::UPGRADE)?.to_str().ok()?;
    asked.then(|| protocol.to_ascii_lowercase())
}

/// Gives a request an id if it has none; as in Envoy, that of the caller is kept.
pub(super) fn ensure_request_id(headers: &mut HeaderMap) {
    if !headers.contains_key(REQUEST_ID) {
        let value = HeaderValue::try_from(uuid(fastrand::u128(..)))
            .expect("hexadecimal digits and dashes are a header value");
        headers.insert(REQUEST_ID, value);
    }
}

/// A random UUID (RFC 9562, version 4).
fn uuid(random: u128) -> String {
    let bits = random & !(0xf << 76) & !(0b11 << 62) | 0x4 << 76 | 0b10 << 62;
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        bits >> 96,
        bits >> 80 & 0xffff,
        bits >> 64 & 0xffff,
        bits >> 48 & 0xffff,
        bits & 0xffff_ffff_ffff
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map<const N: usize>(pairs: [(&'static str, &'static str); N]) -> HeaderMap {
        pairs
            .into_iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    #[test]
    fn only_what_is_about_the_connection_is_removed() {
        let mut headers = map([
            ("connection", "close, X-Private"),
            ("x-private", "1"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "chunked"),
            ("te", "trailers"),
            ("trailer", "x-sum"),
            ("content-length", "3"),
            ("authorization", "secret"),
        ]);
        strip_hop_by_hop(&mut headers);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["authorization", "content-length", "te", "trailer"]);
        let mut headers = map([("te", "gzip")]);
        strip_hop_by_hop(&mut headers);
        assert!(headers.is_empty());
    }

    #[test]
    fn an_upgrade_needs_both_headers() {
        for (headers, expected) in [
            (
                map([
                    ("connection", "keep-alive, Upgrade"),
                    ("upgrade", "WebSocket"),
                ]),
                Some("websocket"),
            ),
            (map([("upgrade", "websocket")]), None),
            (map([("connection", "upgrade")]), None),
        ] {
            assert_eq!(upgrade(&headers).as_deref(), expected);
        }
    }

    #[test]
    fn an_id_is_made_up_only_where_there_is_none() {
        assert_eq!(uuid(0), "00000000-0000-4000-8000-000000000000");
        assert_eq!(uuid(u128::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        let mut headers = map([("x-request-id", "mine")]);
        ensure_request_id(&mut headers);
        assert_eq!(headers[REQUEST_ID], "mine");
        headers.clear();
        ensure_request_id(&mut headers);
        assert_eq!(headers[REQUEST_ID].len(), 36);
    }
}
