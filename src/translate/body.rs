//! Which requests may be copied, as far as their form goes.
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

use std::collections::BTreeSet;

use envoy_types::pb::envoy::config::route::v3::HeaderMatcher;

use super::condition::{at_most, present, regex, starting, such};
use super::framing;
use super::names::{FRAMING_HEADER, MIRROR_HEADER, SPARED_BODY, SPARED_UPGRADE};

/// Requests of one form: those that meet the conditions, and none of the forms before.
pub(super) struct Form {
    /// All of them hold.
    pub(super) headers: Vec<HeaderMatcher>,
    /// How large the largest body has to be that a mirror copies, for it to copy these; `None` if none does.
    pub(super) fits: Option<u32>,
    /// The statistics of those that a mirror does not copy.
    pub(super) spared: Option<&'static str>,
}

/// The forms, of which the first that a request meets counts; the last is met by all. `limits` are the largest bodies that
/// are copied, of all mirrors.
pub(super) fn forms(limits: &BTreeSet<u32>) -> Vec<Form> {
    let form = |headers, fits, spared| Form {
        headers,
        fits,
        spared,
    };
    let of_body = |headers, fits| form(headers, fits, Some(SPARED_BODY));
    let length = "content-length";
    let read_over_http2 = vec![
        such(FRAMING_HEADER, starting(framing::HTTP2)),
        such(":method", regex("GET|HEAD")),
    ];
    let grpc = such("content-type", starting("application/grpc"));
    let bodyless = such(FRAMING_HEADER, regex(framing::BODYLESS));
    let mut forms = vec![
        // Two rules, or an endpoint that is a sidecar, may lead a copy round in a circle.
        form(vec![present(MIRROR_HEADER)], None, None),
        form(vec![present("upgrade")], None, Some(SPARED_UPGRADE)),
    ];
    let small = limits.iter();
    forms.extend(small.map(|limit| of_body(vec![at_most(length, *limit)], Some(*limit))));
    forms.extend([
        of_body(vec![present(length)], None),
        // Who wants no body wants none of unknown size either.
        of_body(vec![grpc], Some(1)),
        of_body(vec![bodyless], Some(0)),
        of_body(read_over_http2, Some(0)),
        of_body(Vec::new(), None),
    ]);
    forms
}
