//! Matching a request's query.

use envoy_types::pb::envoy::config::route::v3 as proto;
use proto::query_parameter_matcher::QueryParameterMatchSpecifier as Specifier;

use super::header_match::string_match;
use super::{Rejection, Test};

/// One condition on the first parameter of a name, as it stands in the query.
#[derive(Clone, Debug)]
pub(in crate::shim) struct QueryMatch {
    pub(in crate::shim) name: String,
    pub(in crate::shim) test: Test,
}

impl QueryMatch {
    /// The condition that a message of supported fields describes.
    pub(in crate::shim) fn from_proto(
        message: &proto::QueryParameterMatcher,
    ) -> Result<Self, Rejection> {
        let test = match &message.query_parameter_match_specifier {
            None => Test::Present(true),
            Some(Specifier::PresentMatch(present)) => Test::Present(*present),
            Some(Specifier::StringMatch(string)) => string_match(string)?,
        };
        Ok(Self {
            name: message.name.clone(),
            test,
        })
    }
}
