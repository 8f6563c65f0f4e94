//! Changes of headers: which are supported, and what their values are made of.

use envoy_types::pb::envoy::config::common::mutation_rules::v3 as rules;
use envoy_types::pb::envoy::config::core::v3::HeaderValueOption;
use envoy_types::pb::envoy::config::core::v3::header_value_option::HeaderAppendAction;
use http::{HeaderName, HeaderValue, header};
use rules::header_mutation::Action;

use super::{Rejection, Within};

/// A change of the headers of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::shim) enum Mutation {
    Remove(HeaderName),
    Append(HeaderName, Text),
    AddIfAbsent(HeaderName, Text),
    Overwrite(HeaderName, Text),
    OverwriteIfPresent(HeaderName, Text),
}

/// What a header is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::shim) enum Text {
    Literal(HeaderValue),
    /// What the request has under this name; if that is nothing, there is no change.
    Of(HeaderName),
}

/// The changes of a list; `path` is where that stands.
pub(super) fn mutations(
    path: &str,
    messages: &[rules::HeaderMutation],
) -> Result<Vec<Mutation>, Rejection> {
    let messages = messages.iter().enumerate();
    messages
        .map(|(index, message)| mutation(message).within(format!("{path}[{index}]")))
        .collect()
}

/// The headers that a list adds; `path` is where that stands.
pub(super) fn options(
    path: &str,
    messages: &[HeaderValueOption],
) -> Result<Vec<Mutation>, Rejection> {
    let messages = messages.iter().enumerate();
    messages
        .map(|(index, option)| append(option).within(format!("{path}[{index}]")))
        .collect()
}

fn mutation(message: &rules::HeaderMutation) -> Result<Mutation, Rejection> {
    match &message.action {
        Some(Action::Remove(header)) => Ok(Mutation::Remove(name("remove", header)?)),
        Some(Action::Append(option)) => append(option).within("append"),
        Some(Action::RemoveOnMatch(_)) | None => {
            Err(Rejection::new("", "must have `append` or `remove`"))
        }
    }
}

fn append(option: &HeaderValueOption) -> Result<Mutation, Rejection> {
    let Some(pair) = &option.header else {
        return Err(Rejection::new("header", "is missing"));
    };
    let (name, value) = (
        name("header.key", &pair.key)?,
        text("header.value", &pair.value)?,
    );
    Ok(match option.append_action() {
        HeaderAppendAction::AppendIfExistsOrAdd => Mutation::Append(name, value),
        HeaderAppendAction::AddIfAbsent => Mutation::AddIfAbsent(name, value),
        HeaderAppendAction::OverwriteIfExistsOrAdd => Mutation::Overwrite(name, value),
        HeaderAppendAction::OverwriteIfExists => Mutation::OverwriteIfPresent(name, value),
    })
}

/// The name of a header that may be changed.
pub(super) fn name(path: &str, text: &str) -> Result<HeaderName, Rejection> {
    // Envoy refuses these too: the copy's Host is set by the policy itself.
    if text.starts_with(':') || text.eq_ignore_ascii_case(header::HOST.as_str()) {
        return Err(Rejection::new(
            path,
            format!("`{text}`: `:`-prefixed or host headers may not be modified"),
        ));
    }
    HeaderName::from_bytes(text.as_bytes())
        .map_err(|_| Rejection::new(path, format!("`{text}` is not a header name")))
}

/// A value, which is a format: `%%` stands for one `%`, and `%REQ(NAME)%` alone for a header of the request.
fn text(path: &str, format: &str) -> Result<Text, Rejection> {
    let of = format
        .strip_prefix("%REQ(")
        .and_then(|rest| rest.strip_suffix(")%"));
    if let Some(of) = of.and_then(|of| HeaderName::from_bytes(of.as_bytes()).ok()) {
        return Ok(Text::Of(of));
    }
    if format.replace("%%", "").contains('%') {
        return Err(Rejection::new(
            path,
            "must not have a `%` but in `%%`: other formats than a lone `%REQ(NAME)%` are not expanded",
        ));
    }
    value(path, &format.replace("%%", "%")).map(Text::Literal)
}

pub(super) fn value(path: &str, text: &str) -> Result<HeaderValue, Rejection> {
    HeaderValue::from_str(text)
        .map_err(|_| Rejection::new(path, format!("`{text}` is not a header value")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_a_literal_or_a_header_of_the_request() {
        let literal = |text| Ok(Text::Literal(HeaderValue::from_static(text)));
        for (format, expected) in [
            ("a b", literal("a b")),
            ("100%%", literal("100%")),
            ("%%REQ(a)%%", literal("%REQ(a)%")),
            ("%REQ(x-A)%", Ok(Text::Of(HeaderName::from_static("x-a")))),
        ] {
            assert_eq!(text("p", format), expected);
        }
        for format in [
            "%",
            "%PROTOCOL%",
            "a%REQ(a)%",
            "%REQ(a?b)%",
            "%REQ(a)%%REQ(b)%",
        ] {
            let rejection = text("p", format).unwrap_err().to_string();
            assert!(
                rejection.starts_with("p must not have a `%`"),
                "{rejection}"
            );
        }
    }
}
