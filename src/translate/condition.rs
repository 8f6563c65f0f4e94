//! Conditions on a request, in the words of a route.

use envoy_types::pb::envoy::config::route::v3::HeaderMatcher;
use envoy_types::pb::envoy::config::route::v3::header_matcher::HeaderMatchSpecifier;
use envoy_types::pb::envoy::r#type::matcher::v3::string_matcher::MatchPattern;
use envoy_types::pb::envoy::r#type::matcher::v3::{RegexMatcher, StringMatcher};
use envoy_types::pb::envoy::r#type::v3::Int64Range;

/// The header is there.
pub(super) fn present(name: &str) -> HeaderMatcher {
    header(name, HeaderMatchSpecifier::PresentMatch(true))
}

/// The header is a number from 0 to `most`.
pub(super) fn at_most(name: &str, most: u32) -> HeaderMatcher {
    let range = Int64Range {
        start: 0,
        end: i64::from(most) + 1,
    };
    header(name, HeaderMatchSpecifier::RangeMatch(range))
}

/// The header's value is such.
pub(super) fn such(name: &str, pattern: MatchPattern) -> HeaderMatcher {
    header(name, HeaderMatchSpecifier::StringMatch(text(pattern)))
}

/// A text that is such.
pub(super) fn text(pattern: MatchPattern) -> StringMatcher {
    StringMatcher {
        match_pattern: Some(pattern),
        ..StringMatcher::default()
    }
}

/// Begins so.
pub(super) fn starting(start: &str) -> MatchPattern {
    MatchPattern::Prefix(start.to_owned())
}

/// Matches as a whole.
pub(super) fn regex(regex: &str) -> MatchPattern {
    MatchPattern::SafeRegex(RegexMatcher {
        regex: regex.to_owned(),
        ..RegexMatcher::default()
    })
}

fn header(name: &str, is: HeaderMatchSpecifier) -> HeaderMatcher {
    HeaderMatcher {
        name: name.to_owned(),
        header_match_specifier: Some(is),
        ..HeaderMatcher::default()
    }
}
