//! Which requests may be copied.
//!
//! The proxy streams a body to the shadow as it comes, and stops reading from the caller when the shadow stops reading. So
//! a body is copied only if it surely fits the shadow's buffers. A protocol upgrade is no request to copy, and neither is a copy.
//!
//! Three kinds of request are copied although more might come than fits; the caller then waits, once per call, until the
//! bound on the copy's duration ends the copy:
//!
//! * gRPC: the size of its bodies is not known beforehand. Measured with a shadow that reads nothing, 4 MiB (the largest
//!   message that gRPC accepts by default) make nobody wait; a client that streams 20 MiB waits.
//! * GET and HEAD over HTTP/2 without a `content-length`. Whether a body follows cannot be seen from the headers, but one
//!   has no meaning with these methods (RFC 9110, sections 9.3.1 and 9.3.2) and is hardly ever sent. Not to copy them
//!   would leave out nearly all reads over HTTP/2.
//! * A caller that names `transfer-encoding` or `content-length` in `Connection`. The proxy takes away what is named there
//!   before anything here can look at it; no client has a reason to do so.

use envoy_types::pb::envoy::config::route::v3::HeaderMatcher;
use envoy_types::pb::envoy::config::route::v3::header_matcher::HeaderMatchSpecifier;
use envoy_types::pb::envoy::r#type::matcher::v3::string_matcher::MatchPattern;
use envoy_types::pb::envoy::r#type::matcher::v3::{RegexMatcher, StringMatcher};
use envoy_types::pb::envoy::r#type::v3::Int64Range;

use super::framing;
use super::names::{FRAMING_HEADER, MIRROR_HEADER};

/// Bytes of the largest body that is copied.
const LARGEST_BODY: i64 = 1024 * 1024;

/// What becomes of the requests that a case matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// They may be copied.
    Copy,
    /// They are not copied.
    Spare,
}

/// The cases, of which the first that matches decides. One matches if all its conditions hold.
pub(super) fn cases() -> [(Vec<HeaderMatcher>, Verdict); 8] {
    use HeaderMatchSpecifier as Is;
    let small = Int64Range {
        start: 0,
        end: LARGEST_BODY + 1,
    };
    let when = |name: &str, is| HeaderMatcher {
        name: name.to_owned(),
        header_match_specifier: Some(is),
        ..HeaderMatcher::default()
    };
    let text = |pattern| {
        Is::StringMatch(StringMatcher {
            match_pattern: Some(pattern),
            ..StringMatcher::default()
        })
    };
    let starting = |start: &str| text(MatchPattern::Prefix(start.to_owned()));
    let regex = |regex: &str| {
        text(MatchPattern::SafeRegex(RegexMatcher {
            regex: regex.to_owned(),
            ..RegexMatcher::default()
        }))
    };
    let read_over_http2 = vec![
        when(FRAMING_HEADER, starting(framing::HTTP2)),
        when(":method", regex("GET|HEAD")),
    ];
    [
        // Two rules, or an endpoint that is a sidecar, may lead a copy round in a circle.
        (
            vec![when(MIRROR_HEADER, Is::PresentMatch(true))],
            Verdict::Spare,
        ),
        (
            vec![when("upgrade", Is::PresentMatch(true))],
            Verdict::Spare,
        ),
        (
            vec![when("content-length", Is::RangeMatch(small))],
            Verdict::Copy,
        ),
        (
            vec![when("content-length", Is::PresentMatch(true))],
            Verdict::Spare,
        ),
        (
            vec![when("content-type", starting("application/grpc"))],
            Verdict::Copy,
        ),
        (
            vec![when(FRAMING_HEADER, regex(framing::BODYLESS))],
            Verdict::Copy,
        ),
        (read_over_http2, Verdict::Copy),
        (Vec::new(), Verdict::Spare),
    ]
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::*;

    /// Whether a condition holds, as Envoy's documentation of its header matchers says.
    fn holds(condition: &HeaderMatcher, headers: &[(&str, &str)]) -> bool {
        use HeaderMatchSpecifier as Is;
        let Some((_, value)) = headers.iter().find(|(name, _)| *name == condition.name) else {
            return false;
        };
        match condition.header_match_specifier.as_ref().unwrap() {
            Is::PresentMatch(true) => true,
            Is::RangeMatch(range) => value
                .parse::<i64>()
                .is_ok_and(|value| (range.start..range.end).contains(&value)),
            Is::StringMatch(string) => match string.match_pattern.as_ref().unwrap() {
                MatchPattern::Prefix(prefix) => value.starts_with(prefix),
                MatchPattern::SafeRegex(regex) => Regex::new(&format!("^(?:{})$", regex.regex))
                    .unwrap()
                    .is_match(value),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    fn verdict(headers: &[(&str, &str)]) -> Verdict {
        let matches =
            |conditions: &[HeaderMatcher]| conditions.iter().all(|each| holds(each, headers));
        let found = cases()
            .into_iter()
            .find(|(conditions, _)| matches(conditions));
        found.unwrap().1
    }

    #[test]
    fn what_may_be_copied_is_what_cannot_hold_up_its_caller() {
        use Verdict::{Copy, Spare};
        let grpc = ("content-type", "application/grpc+proto");
        for (method, framing, others, expected) in [
            // No body.
            ("GET", "HTTP/1.1;", &[][..], Copy),
            ("HEAD", "HTTP/1.0;", &[], Copy),
            ("POST", "HTTP/1.1;", &[], Copy),
            ("PUT", "HTTP/1.1;-", &[], Copy),
            ("DELETE", "HTTP/1.1;", &[], Copy),
            // A body of unknown length.
            ("GET", "HTTP/1.1;chunked", &[], Spare),
            ("DELETE", "HTTP/1.1;Chunked", &[], Spare),
            ("POST", "HTTP/1.1;gzip, chunked", &[], Spare),
            ("POST", "HTTP/1.0;chunked", &[], Spare),
            // Perhaps a body.
            ("GET", "HTTP/2;", &[], Copy),
            ("HEAD", "HTTP/2;-", &[], Copy),
            ("GETS", "HTTP/2;", &[], Spare),
            ("DELETE", "HTTP/2;", &[], Spare),
            ("POST", "HTTP/2;", &[], Spare),
            ("POST", "HTTP/3;", &[], Spare),
            // A body of known length.
            ("POST", "HTTP/1.1;", &[("content-length", "1048576")], Copy),
            ("GET", "HTTP/1.1;", &[("content-length", "1048577")], Spare),
            ("GET", "HTTP/2;", &[("content-length", "1048577")], Spare),
            ("PUT", "HTTP/2;", &[("content-length", "0")], Copy),
            ("PUT", "HTTP/2;", &[("content-length", "-1")], Spare),
            // The exceptions.
            ("POST", "HTTP/2;", &[grpc], Copy),
            ("POST", "HTTP/1.1;chunked", &[grpc], Copy),
            ("GET", "HTTP/1.1;", &[("upgrade", "websocket")], Spare),
        ] {
            let mut headers = vec![(":method", method), (FRAMING_HEADER, framing)];
            headers.extend(others);
            assert_eq!(verdict(&headers), expected, "{headers:?}");
        }
        assert_eq!(
            verdict(&[(":method", "GET")]),
            Spare,
            "nothing is known of it"
        );
    }
}
