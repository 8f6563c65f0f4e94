//! Which requests are copied: `methods`, `match`.

use http::HeaderName;

use super::decode::Reader;
use super::methods;
use super::pattern::portable;
use crate::api::request_match::HeaderMatch;
use crate::api::request_match::QueryMatch;
use crate::api::request_match::RequestMatch;
use crate::api::request_match::TextMatch;
use crate::diag::{Code, Diagnostic, FieldPath};
use crate::model::{Field, Selection, Text};

/// Methods, and conditions of each kind.
pub(super) const MOST: usize = 16;
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
    let methods = methods::read(reader).unwrap_or_default();
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
    let (headers, query) = (in_order(headers), in_order(query));
    for (conditions, at) in [(&headers, at_headers), (&query, at_query)] {
        if let Some(name) = contradicted(conditions) {
            let message = format!("no `{name}` meets all conditions on it");
            never(
                reader,
                at,
                message,
                "nothing is copied by it",
                "all conditions must hold; for either of two values use a `regex`: `a|b`"
                    .to_owned(),
            );
        }
    }
    Selection {
        methods,
        path,
        headers,
        query,
    }
}

/// All of them must hold, so their order means nothing.
fn in_order(mut conditions: Vec<Field>) -> Vec<Field> {
    conditions.sort();
    conditions.dedup();
    conditions
}

/// The name of something that is asked to be two things at once, or to be there and not to be there.
fn contradicted(conditions: &[Field]) -> Option<&str> {
    let clash = |one: &Field, other: &Field| match (&one.value, &other.value) {
        (Some(Text::Exact(one_text)), Some(Text::Exact(other_text))) => {
            !one.invert && !other.invert && one_text != other_text
        }
        (None, None) => one.invert != other.invert,
        (None, Some(Text::Exact(_) | Text::Prefix(_))) => one.invert && !other.invert,
        (Some(Text::Exact(_) | Text::Prefix(_)), None) => other.invert && !one.invert,
        _ => false,
    };
    let clashes = |one: &&Field| {
        let mut others = conditions.iter();
        others.any(|other| one.name == other.name && clash(one, other))
    };
    Some(&conditions.iter().find(clashes)?.name)
}

/// Warns of what hardly any request meets.
pub(super) fn never(
    reader: &mut Reader<'_>,
    path: FieldPath,
    message: String,
    effect: &str,
    help: String,
) {
    let path = FieldPath::of("spec.config").join(&path);
    reader.report.push(
        Diagnostic::new(Code::NeverMet, reader.origin, path, message)
            .effect(effect)
            .help(help),
    );
}

pub(super) fn bad(reader: &mut Reader<'_>, path: FieldPath, message: String, help: &str) {
    reader.error(Code::BadConfigValue, path, message, help.to_owned());
}

fn is_short(length: usize, at: &FieldPath, reader: &mut Reader<'_>) {
    if length > MOST {
        let message = format!("{length} conditions are more than are looked at");
        bad(reader, at.clone(), message, &format!("give {MOST} at most"));
    }
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
        let message = match given {
            "" => "`name` is missing: which header".to_owned(),
            _ => format!("{given:?} is not the name of a header that can be looked at"),
        };
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
        ("exact", _) if text.contains([' ', '&', '#']) => {
            let message = format!("{text:?} does not stand so in a query");
            let help = "write it as a caller sends it, encoded: `a%20b` for `a b`";
            bad(reader, at.clone().key(kind), message, help);
            return None;
        }
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
