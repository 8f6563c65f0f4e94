//! Matching a request's headers.

use envoy_types::pb::envoy::config::route::v3 as proto;
use envoy_types::pb::envoy::r#type::matcher::v3 as matcher;
use http::HeaderName;
use matcher::string_matcher::MatchPattern;
use proto::header_matcher::HeaderMatchSpecifier;
use regex::Regex;

use super::Rejection;

/// What is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::shim) enum Subject {
    Method,
    Path,
    Authority,
    Header(HeaderName),
}

/// What it must be.
#[derive(Clone, Debug)]
pub(in crate::shim) enum Test {
    Present(bool),
    Exact(String),
    Prefix(String),
    Suffix(String),
    Contains(String),
    /// From start, inclusive, to end, exclusive.
    Range(i64, i64),
    /// The whole value matches.
    Regex(Regex),
}

/// One condition on a request.
#[derive(Clone, Debug)]
pub(in crate::shim) struct HeaderMatch {
    pub(in crate::shim) subject: Subject,
    pub(in crate::shim) test: Test,
    pub(in crate::shim) invert: bool,
    /// Whether a header that is not there counts as empty.
    pub(in crate::shim) or_empty: bool,
}

impl HeaderMatch {
    /// The condition that a message of supported fields describes.
    #[expect(
        deprecated,
        reason = "the older form of a condition is still sent and means the same"
    )]
    pub(in crate::shim) fn from_proto(message: &proto::HeaderMatcher) -> Result<Self, Rejection> {
        let subject =
            match message.name.as_str() {
                ":method" => Subject::Method,
                ":path" => Subject::Path,
                ":authority" => Subject::Authority,
                name => Subject::Header(HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
                    Rejection::new("name", format!("`{name}` is not a header name"))
                })?),
            };
        let test = match &message.header_match_specifier {
            // Envoy: no condition on the value means that the header must be there.
            None => Test::Present(true),
            Some(HeaderMatchSpecifier::PresentMatch(present)) => Test::Present(*present),
            Some(HeaderMatchSpecifier::ExactMatch(text)) => Test::Exact(text.clone()),
            Some(HeaderMatchSpecifier::PrefixMatch(text)) => Test::Prefix(text.clone()),
            Some(HeaderMatchSpecifier::SuffixMatch(text)) => Test::Suffix(text.clone()),
            Some(HeaderMatchSpecifier::ContainsMatch(text)) => Test::Contains(text.clone()),
            Some(HeaderMatchSpecifier::RangeMatch(range)) => Test::Range(range.start, range.end),
            Some(HeaderMatchSpecifier::SafeRegexMatch(regex)) => {
                full_match("safe_regex_match.regex", &regex.regex)?
            }
            Some(HeaderMatchSpecifier::StringMatch(string)) => string_match(string)?,
        };
        Ok(Self {
            subject,
            test,
            invert: message.invert_match,
            or_empty: message.treat_missing_header_as_empty,
        })
    }
}

pub(super) fn string_match(message: &matcher::StringMatcher) -> Result<Test, Rejection> {
    match &message.match_pattern {
        Some(MatchPattern::Exact(text)) => Ok(Test::Exact(text.clone())),
        Some(MatchPattern::Prefix(text)) => Ok(Test::Prefix(text.clone())),
        Some(MatchPattern::Suffix(text)) => Ok(Test::Suffix(text.clone())),
        Some(MatchPattern::Contains(text)) => Ok(Test::Contains(text.clone())),
        Some(MatchPattern::SafeRegex(regex)) => {
            full_match("string_match.safe_regex.regex", &regex.regex)
        }
        _ => Err(Rejection::new("string_match", "has no pattern")),
    }
}

/// Envoy matches the whole value, so the expression is anchored.
fn full_match(path: &str, text: &str) -> Result<Test, Rejection> {
    // Compiled alone first, so that `)(` does not become valid by what is put around it.
    Regex::new(text)
        .and_then(|_| Regex::new(&format!(r"\A(?:{text})\z")))
        .map(Test::Regex)
        .map_err(|_| Rejection::new(path, format!("`{text}` is not a regular expression")))
}
