//! How the body of a request is delimited, noted in a header that the routes can look at.
//!
//! A route cannot see it otherwise: the proxy takes `transfer-encoding` away before it chooses a route. An early mutation
//! comes before that. It replaces what a caller may have sent under the header's name, and the route configuration takes
//! the header away again, from the request and from its copies.

use envoy_types::pb::envoy::config::common::mutation_rules::v3 as rules;
use envoy_types::pb::envoy::config::core::v3::TypedExtensionConfig;
use envoy_types::pb::envoy::extensions::http::early_header_mutation::header_mutation::v3::HeaderMutation;
use envoy_types::util::pack_any;

use super::names::FRAMING_HEADER;
use super::values::overwrite;

/// Such as `HTTP/1.1;chunked`, `HTTP/1.1;` and `HTTP/2;`.
const FORMAT: &str = "%PROTOCOL%;%REQ(TRANSFER-ENCODING)%";

/// The header of a request that has no body, unless its length is given: an HTTP/1 body of which nothing says where it
/// ends does not exist (RFC 9112, section 6.3). A format may stand for an absent value with `-`; it is no coding, for the
/// proxy refuses all codings but `chunked`.
pub(super) const BODYLESS: &str = r"HTTP/1\.[01];-?";

/// What the header of a request over HTTP/2 begins with. There the end of the headers says whether there is a body, and
/// no header does.
pub(super) const HTTP2: &str = "HTTP/2;";

/// The mutation that sets the header.
pub(super) fn note() -> TypedExtensionConfig {
    let mutation = HeaderMutation {
        mutations: vec![rules::HeaderMutation {
            action: Some(rules::header_mutation::Action::Append(overwrite(
                FRAMING_HEADER,
                FORMAT,
            ))),
        }],
    };
    TypedExtensionConfig {
        name: "envoy.http.early_header_mutation.header_mutation".to_owned(),
        typed_config: Some(pack_any(mutation)),
    }
}
