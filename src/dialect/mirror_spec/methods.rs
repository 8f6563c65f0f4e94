//! `methods`: of which requests copies are made.

use http::Method;
use serde_json::Value;

use super::decode::Reader;
use super::selection::{MOST, bad, never};
use crate::diag::{FieldPath, nearest};

/// Methods that change nothing (RFC 9110, section 9.2.1).
const SAFE: [&str; 4] = ["GET", "HEAD", "OPTIONS", "TRACE"];
/// Those that programs use: of HTTP and WebDAV, and one of caches.
const KNOWN: [&str; 18] = [
    "GET",
    "HEAD",
    "OPTIONS",
    "TRACE",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "PROPFIND",
    "PROPPATCH",
    "MKCOL",
    "COPY",
    "MOVE",
    "LOCK",
    "UNLOCK",
    "REPORT",
    "SEARCH",
    "PURGE",
];

/// Reads it: none if all are copied. What is wrong is reported, and counts as absent.
pub(super) fn read(reader: &mut Reader<'_>) -> Option<Vec<String>> {
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
        let at = at.clone().index(index);
        let name = item.as_str().unwrap_or_default();
        if let Some(help) = objection(name) {
            bad(
                reader,
                at,
                format!("{item} is no method that is copied"),
                &help,
            );
            continue;
        }
        methods.push(name.to_owned());
        if !KNOWN.contains(&name) {
            let help = nearest(name, KNOWN).map(|meant| format!("did you mean `{meant}`?"));
            never(
                reader,
                at,
                format!("`{name}` is no usual method"),
                "requests with it are copied, if anybody sends any",
                help.unwrap_or_else(|| "take it out if it is not one of your own".to_owned()),
            );
        }
    }
    methods.sort();
    methods.dedup();
    Some(methods)
}

/// What to do about what is no method, or one whose requests are never copied.
fn objection(name: &str) -> Option<String> {
    let capitals = name.to_ascii_uppercase();
    if capitals == "SAFE" {
        return Some("write `methods: safe`, without a list".to_owned());
    }
    if name == "*" || name.eq_ignore_ascii_case("all") {
        return Some("leave `methods` out for all".to_owned());
    }
    if capitals == "CONNECT" {
        return Some("take it out: a tunnel is never copied".to_owned());
    }
    let is_word = name.len() <= 32 && Method::from_bytes(name.as_bytes()).is_ok();
    // Methods are told apart by case (RFC 9110, section 9.1).
    match is_word {
        false => Some("give the name of a method, such as GET".to_owned()),
        true if name != capitals => Some(format!("write it in capitals: `{capitals}`")),
        true => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::read;
    use crate::diag::Report;
    use crate::dialect::fixture::{found, nowhere};

    fn methods(list: &Value) -> (bool, String, String) {
        let config = json!({
            "namespace": "n", "service": "s", "port": 1, "percentage": {"value": 1}, "methods": list,
        });
        let mut report = Report::default();
        let spec = read(&config, &nowhere(), "otherwise", &mut report);
        let help = report.iter().map(|one| one.help.clone()).collect();
        (spec.is_some(), found(&report).join(" "), help)
    }

    #[test]
    fn what_is_copied_of_nobody_is_told_with_what_was_meant() {
        for (list, help) in [
            (json!(["safe"]), "write `methods: safe`, without a list"),
            (json!(["SAFE"]), "write `methods: safe`, without a list"),
            (json!(["*"]), "leave `methods` out for all"),
            (json!(["CONNECT"]), "take it out: a tunnel is never copied"),
            (json!(["get"]), "write it in capitals: `GET`"),
            (json!(["G T"]), "give the name of a method, such as GET"),
            (json!([1]), "give the name of a method, such as GET"),
        ] {
            let expected = "BadConfigValue spec.config.methods[0]".to_owned();
            assert_eq!(methods(&list), (false, expected, help.to_owned()), "{list}");
        }
        for (list, help) in [
            (json!(["GET", "POTS"]), "did you mean `POST`?"),
            (
                json!(["GET", "FOO"]),
                "take it out if it is not one of your own",
            ),
        ] {
            let expected = "NeverMet spec.config.methods[1]".to_owned();
            assert_eq!(methods(&list), (true, expected, help.to_owned()), "{list}");
        }
        let usual = json!(["GET", "PATCH", "PROPFIND"]);
        assert_eq!(methods(&usual), (true, String::new(), String::new()));
    }
}
