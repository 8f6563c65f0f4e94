//! Which requests are copied: `methods`, `match`.

use http::{HeaderName, Method};
use serde_json::Value;

use super::decode::Reader;
use super::pattern::portable;
use crate::api::request_match::HeaderMatch;
use crate::api::request_match::QueryMatch;
use crate::api::request_match::RequestMatch;
use crate::api::request_match::TextMatch;
use crate::diag::{Code, FieldPath};
use crate::model::{Field, Selection, Text};

/// Methods that change nothing (RFC 9110, section 9.2.1).
const SAFE: [&str; 4] = ["GET", "HEAD", "OPTIONS", "TRACE"];
/// Methods, and conditions of each kind.
const MOST: usize = 16;
/// Bytes of a text.
const LONGEST: usize = 512;
/// Headers that a route does not see as the caller sent them, or whose requests are never copied.
const UNSEEN: [&str; 9] = [
    "host",
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
    "x-mirror-shadow",
    "x-mirrorplane-framing",
];

/// Reads it; what is wrong is reported.
pub(super) fn read(reader: &mut Reader<'_>) -> Selection {
    let methods = methods(reader).unwrap_or_default();
    let matching: Option<RequestMatch> = reader.optional("match");
    let matching = matching.unwrap_or_default();
    let at = FieldPath::root().key("match");
    let path = matching.path.and_then(|path| path_of(&path, &at, reader));
    let at_headers = at.clone().key("headers");
    let at_query = at.key("queryParams");
    is_short(matching.headers.len(), &at_headers, reader);
    is_short(matching.query_params.len(), &at_query, reader);
    let headers = matching.headers.iter().take(MOST).enumerate();
    let headers = headers
        .filter_map(|(index, header)| header_of(header, &at_headers.clone().index(index), reader))
        .collect();
    let query = matching.query_params.iter().take(MOST).enumerate();
    let query = query
        .filter_map(|(index, query)| query_of(query, &at_query.clone().index(index), reader))
        .collect();
    Selection {
        methods,
        path,
        headers: in_order(headers),
        query: in_order(query),
    }
}

/// All of them must hold, so their order means nothing.
fn in_order(mut conditions: Vec<Field>) -> Vec<Field> {
    conditions.sort();
    conditions.dedup();
    conditions
}

fn bad(reader: &mut Reader<'_>, path: FieldPath, message: String, help: &str) {
    reader.error(Code::BadConfigValue, path, message, help.to_owned());
}

fn is_short(length: usize, at: &FieldPath, reader: &mut Reader<'_>) {
    if length > MOST {
        let message = format!("{length} conditions are more than are looked at");
        bad(reader, at.clone(), message, &format!("give {MOST} at most"));
    }
}

fn methods(reader: &mut Reader<'_>) -> Option<Vec<String>> {
    let key = "methods";
    let given: Value = reader.optional(key)?;
    let at = FieldPath::root().key(key);
    let help = "write `safe`, or a list such as [GET, HEAD]";
    let items = match given {
        Value::String(word) if word == "safe" => {
            return Some(SAFE.map(str::to_owned).to_vec());
        }
        Value::Array(items) if !items.is_empty() && items.len() <= MOST => items,
        Value::Array(items) => {
            let message = format!("a list of {} methods", items.len());
            bad(
                reader,
                at,
                message,
                &format!("name 1 to {MOST} methods; leave `{key}` out for all"),
            );
            return None;
        }
        other => {
            bad(reader, at, format!("{other} is no list of methods"), help);
            return None;
        }
    };
    let mut methods = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let method = item
            .as_str()
            .filter(|name| Method::from_bytes(name.as_bytes()).is_ok());
        match method {
            // Methods are told apart by case (RFC 9110, section 9.1).
            Some(name)
                if name.len() <= 32 && !name.bytes().any(|byte| byte.is_ascii_lowercase()) =>
            {
                methods.push(name.to_owned());
            }
            _ => bad(
                reader,
                at.clone().index(index),
                format!("{item} is no method"),
                "write it in capitals, such as GET",
            ),
        }
    }
    methods.sort();
    methods.dedup();
    Some(methods)
}

fn path_of(path: &TextMatch, at: &FieldPath, reader: &mut Reader<'_>) -> Option<Text> {
    let at = at.clone().key("path");
    let given = [
        ("exact", &path.exact),
        ("prefix", &path.prefix),
        ("regex", &path.regex),
    ];
    let (kind, text) = the_one(&given, &at, reader)?;
    let at = at.key(kind);
    if kind == "regex" {
        return regex(text, Some(b'?'), at, reader);
    }
    let is_path = text.starts_with('/')
        && text.len() <= LONGEST
        && text
            .bytes()
            .all(|byte| (b'!'..=b'~').contains(&byte) && !b"?#".contains(&byte));
    if !is_path {
        bad(
            reader,
            at,
            format!("{text:?} is not the path of a request"),
            "begin with `/`, encode what is not printable ASCII, and leave out the query",
        );
        return None;
    }
    Some(match kind {
        "exact" => Text::Exact(text.to_owned()),
        _ => Text::Prefix(text.to_owned()),
    })
}

fn header_of(header: &HeaderMatch, at: &FieldPath, reader: &mut Reader<'_>) -> Option<Field> {
    let name = header_name(&header.name, at.clone().key("name"), reader);
    let present = header.present.map(|present| present.to_string());
    let given = [
        ("exact", &header.exact),
        ("prefix", &header.prefix),
        ("regex", &header.regex),
        ("present", &present),
    ];
    let (kind, text) = the_one(&given, at, reader)?;
    let (value, invert) = match kind {
        "present" => (None, header.invert == (header.present == Some(true))),
        _ => (Some(value(kind, text, at, reader)?), header.invert),
    };
    Some(Field {
        name: name?,
        value,
        invert,
    })
}

/// The name of a header in lower case, if it is one that routes see as the caller sent it.
pub(super) fn header_name(given: &str, at: FieldPath, reader: &mut Reader<'_>) -> Option<String> {
    let name = HeaderName::from_bytes(given.as_bytes()).ok();
    let name = name.map(|name| name.as_str().to_owned());
    let name = name.filter(|name| !UNSEEN.contains(&name.as_str()) && name.len() <= LONGEST);
    if name.is_none() {
        let message = format!("{given:?} is not the name of a header that can be looked at");
        let help = if given.starts_with(':') || given.eq_ignore_ascii_case("host") {
            "use `methods` and `match.path`; the Host is what the destination is told by"
        } else {
            "name a header that callers send and proxies leave as it is"
        };
        bad(reader, at, message, help);
    }
    name
}

fn query_of(query: &QueryMatch, at: &FieldPath, reader: &mut Reader<'_>) -> Option<Field> {
    let is_name = |byte: u8| (b'!'..=b'~').contains(&byte) && !b"&=#".contains(&byte);
    let name = &query.name;
    let is_sound = !name.is_empty() && name.len() <= LONGEST && name.bytes().all(is_name);
    if !is_sound {
        let message = format!("{name:?} is not the name of a query parameter");
        bad(
            reader,
            at.clone().key("name"),
            message,
            "write it as it stands in the query",
        );
    }
    let present = query.present.map(|present| present.to_string());
    let given = [
        ("exact", &query.exact),
        ("regex", &query.regex),
        ("present", &present),
    ];
    let (kind, text) = the_one(&given, at, reader)?;
    let value = match (kind, query.present) {
        ("present", Some(false)) => {
            let at = at.clone().key(kind);
            bad(
                reader,
                at,
                "that a query parameter is absent cannot be asked for".to_owned(),
                "write `true`",
            );
            return None;
        }
        ("present", _) => None,
        _ => Some(value(kind, text, at, reader)?),
    };
    is_sound.then(|| Field {
        name: name.clone(),
        value,
        invert: false,
    })
}

/// The one condition that is given.
fn the_one<'t>(
    given: &[(&'static str, &'t Option<String>)],
    at: &FieldPath,
    reader: &mut Reader<'_>,
) -> Option<(&'static str, &'t str)> {
    let mut set = given
        .iter()
        .filter_map(|(kind, text)| Some((*kind, text.as_deref()?)));
    let first = set.next();
    if first.is_some() && set.next().is_none() {
        return first;
    }
    let kinds: Vec<_> = given.iter().map(|(kind, _)| format!("`{kind}`")).collect();
    let message = match first {
        None => "it is not said what it must be".to_owned(),
        Some(_) => "more than one condition".to_owned(),
    };
    bad(
        reader,
        at.clone(),
        message,
        &format!("give one of {}", kinds.join(", ")),
    );
    None
}

fn value(kind: &str, text: &str, at: &FieldPath, reader: &mut Reader<'_>) -> Option<Text> {
    let at = at.clone().key(kind);
    if kind == "regex" {
        return regex(text, None, at, reader);
    }
    let is_value = !text.is_empty()
        && text.len() <= LONGEST
        && text.trim() == text
        && text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if !is_value {
        let help =
            format!("give 1 to {LONGEST} printable ASCII characters, no blank at either end");
        bad(
            reader,
            at,
            format!("{text:?} is not a value that can be looked for"),
            &help,
        );
        return None;
    }
    Some(match kind {
        "exact" => Text::Exact(text.to_owned()),
        _ => Text::Prefix(text.to_owned()),
    })
}

fn regex(text: &str, without: Option<u8>, at: FieldPath, reader: &mut Reader<'_>) -> Option<Text> {
    match portable(text, without) {
        Ok(regex) => Some(Text::Regex(regex)),
        Err(reason) => {
            let message = format!("{text:?} is not a regular expression that can be used");
            bad(reader, at, message, &reason);
            None
        }
    }
}

#[cfg(test)]
#[path = "selection_tests.rs"]
mod tests;
