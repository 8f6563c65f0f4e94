//! The requests that mirrors are for, as conditions of a route.

use envoy_types::pb::envoy::config::route::v3::query_parameter_matcher::QueryParameterMatchSpecifier;
use envoy_types::pb::envoy::config::route::v3::route_match::PathSpecifier;
use envoy_types::pb::envoy::config::route::v3::{HeaderMatcher, QueryParameterMatcher, RouteMatch};
use envoy_types::pb::envoy::r#type::matcher::v3::string_matcher::MatchPattern;

use super::condition::{present, regex, starting, such, text};
use super::route::any_request;
use crate::model::{Field, Selection, Text};

/// What follows the path in `:path`, where the query is a part of it.
const QUERY: &str = r"(?:\?.*)?";

/// The requests that all of the selections are for; `None` if there is none.
pub(super) fn matching(of: &[&Selection]) -> Option<RouteMatch> {
    let mut all = any_request();
    for selection in of {
        if !selection.methods.is_empty() {
            // Methods are tokens, and of the characters of these some mean something in an expression.
            let names: Vec<_> = selection.methods.iter().map(|name| escaped(name)).collect();
            add(&mut all.headers, such(":method", regex(&names.join("|"))));
        }
        match &selection.path {
            None => {}
            // An expression for it could be too large.
            Some(Text::Exact(path)) => {
                let specifier = Some(PathSpecifier::Path(path.clone()));
                let is_free = matches!(all.path_specifier, Some(PathSpecifier::Prefix(_)));
                if !is_free && all.path_specifier != specifier {
                    return None;
                }
                all.path_specifier = specifier;
            }
            Some(Text::Prefix(start)) => add(&mut all.headers, such(":path", starting(start))),
            Some(Text::Regex(path)) => {
                let whole = format!("(?:{path}){QUERY}");
                add(&mut all.headers, such(":path", regex(&whole)));
            }
        }
        for field in &selection.headers {
            add(&mut all.headers, header(field));
        }
        for field in &selection.query {
            add(&mut all.query_parameters, parameter(field));
        }
    }
    Some(all)
}

fn add<T: PartialEq>(to: &mut Vec<T>, condition: T) {
    if !to.contains(&condition) {
        to.push(condition);
    }
}

fn header(field: &Field) -> HeaderMatcher {
    let plain = match &field.value {
        None => present(&field.name),
        Some(value) => such(&field.name, pattern(value)),
    };
    HeaderMatcher {
        invert_match: field.invert,
        // Otherwise nothing holds of the value of a header that is not there, and neither does the opposite.
        treat_missing_header_as_empty: field.invert && field.value.is_some(),
        ..plain
    }
}

fn parameter(field: &Field) -> QueryParameterMatcher {
    use QueryParameterMatchSpecifier as Is;
    let is = match &field.value {
        None => Is::PresentMatch(true),
        Some(value) => Is::StringMatch(text(pattern(value))),
    };
    QueryParameterMatcher {
        name: field.name.clone(),
        query_parameter_match_specifier: Some(is),
    }
}

fn pattern(value: &Text) -> MatchPattern {
    match value {
        Text::Exact(value) => MatchPattern::Exact(value.clone()),
        Text::Prefix(start) => starting(start),
        Text::Regex(value) => regex(value),
    }
}

fn escaped(method: &str) -> String {
    let characters = method.chars().map(|character| match character {
        plain if plain.is_ascii_alphanumeric() || plain == '_' => plain.to_string(),
        other => format!("\\{other}"),
    });
    characters.collect()
}
