//! How a copy differs from its request: `host`, `credentials`, `path`, and `headers`, which have a file of their own.

use serde_json::Value;

use super::decode::Reader;
use super::headers;
use crate::api::copy_config::Credentials as Key;
use crate::api::copy_config::Tracing as TracingKey;
use crate::api::copy_config::{PathRewrite, PrefixRewrite};
use crate::diag::{Code, FieldPath, nearest};
use crate::model::{CopyHost, CopyPolicy, Credentials, NewPath, Sampled};

/// The longest path or Host that is taken.
const LONGEST: usize = 1024;

/// Reads them; what is wrong is reported, and counts as absent. Credentials are kept unless they are said to be stripped.
pub(super) fn read(reader: &mut Reader<'_>) -> CopyPolicy {
    CopyPolicy {
        host: host(reader).unwrap_or_default(),
        headers: headers::read(reader),
        path: path(reader),
        tracing: tracing(reader),
        credentials: Credentials::default(),
    }
}

/// What becomes of credentials, if it is said.
pub(super) fn credentials(reader: &mut Reader<'_>) -> Option<Credentials> {
    let key: Key = reader.optional("credentials")?;
    Some(match key {
        Key::Keep => Credentials::Keep,
        Key::Strip => Credentials::Strip,
    })
}

/// What a copy says of the caller's trace.
fn tracing(reader: &mut Reader<'_>) -> Option<Sampled> {
    // What `kubectl` makes of `off` without quotes.
    if reader.apart.get("tracing") == Some(&Value::Bool(false)) {
        reader.apart.insert("tracing".to_owned(), "off".into());
    }
    let key: TracingKey = reader.optional("tracing")?;
    match key {
        TracingKey::Inherit => None,
        TracingKey::Off => Some(Sampled::No),
        TracingKey::Always => Some(Sampled::Yes),
    }
}

fn host(reader: &mut Reader<'_>) -> Option<CopyHost> {
    let text: String = reader.optional("host")?;
    match text.as_str() {
        "rename" => Some(CopyHost::Rename),
        "keep" => Some(CopyHost::Keep),
        "suffix" => Some(CopyHost::Suffix),
        host if is_host(host) && meant(host).is_none() => Some(CopyHost::Literal(text)),
        host => {
            let help = match meant(host) {
                Some(meant) => format!("did you mean `{meant}`? A host of that name takes a port: `{host}:80`"),
                None => "give `rename`, `keep`, `suffix`, or a host name with or without a port: `v2.test:8080`"
                    .to_owned(),
            };
            reader.error(
                Code::BadConfigValue,
                FieldPath::root().key("host"),
                format!("{text:?} is not a Host"),
                help,
            );
            None
        }
    }
}

/// The word that somebody probably misspelt. What has a dot or a port is a host in any case.
fn meant(host: &str) -> Option<&str> {
    let is_word = !host.contains(['.', ':']);
    is_word.then(|| nearest(host, ["rename", "keep", "suffix"]))?
}

/// A name or an address, and perhaps a port.
pub(super) fn is_host(text: &str) -> bool {
    let (name, port) = match text.rsplit_once(':') {
        // The colons of an IPv6 address stand in brackets.
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (text, None),
    };
    let address = name
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let is_name = match address {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            let fits = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
            !name.is_empty() && name.len() <= 253 && name.chars().all(fits)
        }
    };
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|number| number != 0);
    is_name && port.is_none_or(is_port)
}

fn path(reader: &mut Reader<'_>) -> Option<NewPath> {
    let rewrite: PathRewrite = reader.optional("path")?;
    let here = FieldPath::root().key("path");
    match (rewrite.replace_prefix, rewrite.replace_full) {
        (Some(PrefixRewrite { from, to }), None) => {
            let at = here.key("replacePrefix");
            let sound = [
                is_path(&from, at.clone().key("from"), reader),
                is_path(&to, at.key("to"), reader),
            ];
            (sound == [true, true]).then(|| NewPath::Prefix {
                from: from.trim_end_matches('/').to_owned(),
                to: to.trim_end_matches('/').to_owned(),
            })
        }
        (None, Some(full)) => {
            is_path(&full, here.key("replaceFull"), reader).then_some(NewPath::Full(full))
        }
        (prefix, _) => {
            let message = match prefix {
                Some(_) => "`path` has `replacePrefix` and `replaceFull`",
                None => "`path` has neither `replacePrefix` nor `replaceFull`",
            };
            reader.error(
                Code::BadConfigValue,
                here,
                message.to_owned(),
                "give one: `path: {replacePrefix: {from: /api, to: /shadow/api}}` or `path: {replaceFull: /shadow}`"
                    .to_owned(),
            );
            None
        }
    }
}

/// Reports what is no path: characters of RFC 3986, section 3.3, after a slash. What is not among them is written `%20`.
fn is_path(text: &str, at: FieldPath, reader: &mut Reader<'_>) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "/-._~!$&'()*+,;=:@%".contains(c);
    let sound = text.starts_with('/') && text.len() <= LONGEST && text.chars().all(fits);
    if !sound {
        reader.error(
            Code::BadConfigValue,
            at,
            format!("{text:?} is not a path"),
            "begin it with a slash, and leave out `?`, `#` and what has to be escaped: `/shadow/api`"
                .to_owned(),
        );
    }
    sound
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::read;
    use crate::diag::Report;
    use crate::dialect::fixture::{found, nowhere};
    use crate::model::{CopyHost, CopyPolicy, Credentials, NewPath, Sampled};

    fn copy(key: &str, value: Value) -> Result<(CopyPolicy, Option<Credentials>), Vec<String>> {
        let mut config =
            json!({"namespace": "n", "service": "s", "port": 1, "percentage": {"value": 1}});
        config[key] = value;
        let mut report = Report::default();
        let spec = read(&config, &nowhere(), "otherwise", &mut report);
        match spec {
            Some(spec) if report.iter().next().is_none() => {
                Ok((spec.terms.copy.clone(), spec.credentials))
            }
            _ => Err(found(&report)),
        }
    }

    #[test]
    fn a_host_is_a_word_or_itself() {
        let literal = |host: &str| CopyHost::Literal(host.to_owned());
        for (text, expected) in [
            ("rename", CopyHost::Rename),
            ("keep", CopyHost::Keep),
            ("suffix", CopyHost::Suffix),
            ("v2.test", literal("v2.test")),
            ("v2.test:8080", literal("v2.test:8080")),
            ("[fd00::1]:80", literal("[fd00::1]:80")),
            ("[fd00::1]", literal("[fd00::1]")),
        ] {
            let (copy, _) = copy("host", json!(text)).unwrap();
            assert_eq!(copy.host, expected);
        }
        for text in [
            "", "a b", "a/b", "a:", "a:0", "a:b", "[x]", "a:1:2", "ä", "a\nb", "%a%",
        ] {
            assert_eq!(
                copy("host", json!(text)),
                Err(vec!["BadConfigValue spec.config.host".to_owned()]),
                "{text:?}"
            );
        }
    }

    #[test]
    fn credentials_are_kept_or_stripped_or_not_mentioned() {
        let said = |value| copy("credentials", value).map(|(_, said)| said);
        assert_eq!(said(json!("keep")), Ok(Some(Credentials::Keep)));
        assert_eq!(said(json!("strip")), Ok(Some(Credentials::Strip)));
        for value in [json!("drop"), json!(true), json!({})] {
            assert_eq!(
                said(value),
                Err(vec!["BadConfigValue spec.config.credentials".to_owned()])
            );
        }
    }

    #[test]
    fn a_trace_is_left_alone_or_decided() {
        let said = |value| copy("tracing", value).map(|(copy, _)| copy.tracing);
        assert_eq!(said(json!("inherit")), Ok(None));
        assert_eq!(said(json!("off")), Ok(Some(Sampled::No)));
        assert_eq!(said(json!("always")), Ok(Some(Sampled::Yes)));
        assert_eq!(said(json!(false)), Ok(Some(Sampled::No)));
        for value in [json!("on"), json!(true), json!({})] {
            assert_eq!(
                said(value),
                Err(vec!["BadConfigValue spec.config.tracing".to_owned()])
            );
        }
    }

    #[test]
    fn a_path_is_another_beginning_or_another_whole() {
        let prefix = |from: &str, to: &str| NewPath::Prefix {
            from: from.to_owned(),
            to: to.to_owned(),
        };
        let replaced = |from, to| json!({"replacePrefix": {"from": from, "to": to}});
        for (value, expected) in [
            (replaced("/api", "/v2/api"), prefix("/api", "/v2/api")),
            (replaced("/api/", "/"), prefix("/api", "")),
            (replaced("/", "/shadow/"), prefix("", "/shadow")),
            (
                json!({"replaceFull": "/a%20b"}),
                NewPath::Full("/a%20b".to_owned()),
            ),
        ] {
            assert_eq!(copy("path", value).unwrap().0.path, Some(expected));
        }
        for (value, at) in [
            (json!({}), ""),
            (
                json!({"replacePrefix": {"from": "/a", "to": "/b"}, "replaceFull": "/"}),
                "",
            ),
            (json!("/shadow"), ""),
            (
                json!({"replacePrefix": {"from": "/a"}}),
                ".replacePrefix.to",
            ),
            (replaced("api", "/b"), ".replacePrefix.from"),
            (replaced("/a", "/b?c"), ".replacePrefix.to"),
            (json!({"replaceFull": "/\"..os.exit()"}), ".replaceFull"),
            (json!({"replaceFull": "/a b"}), ".replaceFull"),
            (json!({"replaceFull": ""}), ".replaceFull"),
        ] {
            assert_eq!(
                copy("path", value),
                Err(vec![format!("BadConfigValue spec.config.path{at}")])
            );
        }
        assert_eq!(
            copy(
                "path",
                json!({"replacePrefix": {"from": "/a", "to": "/b", "too": 1}})
            ),
            Err(vec![
                "UnknownConfigKey spec.config.path.replacePrefix.too".to_owned()
            ])
        );
    }
}
