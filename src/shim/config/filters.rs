//! What a cluster does to requests on their way out: filters that change headers, one that changes the path, and one that
//! takes the time of answers.

use std::time::Duration;

use envoy_types::pb::envoy::config::core::v3::data_source::Specifier;
use envoy_types::pb::envoy::extensions::filters::http::header_mutation::v3::HeaderMutation;
use envoy_types::pb::envoy::extensions::filters::http::lua::v3::Lua;
use envoy_types::pb::envoy::extensions::filters::http::upstream_codec::v3::UpstreamCodec;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::HttpFilter;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::http_filter::ConfigType;
use prost::{Message, Name};

use super::mutation::mutations;
use super::{Mutation, Rejection, Within};
use crate::shim::trace;

/// The script of the control plane after its first line. The shim runs no Lua: it does what this script does.
const SCRIPT: &str = r#"
function envoy_on_request(handle)
  local headers = handle:headers()
  local path = headers:get(":path")
  if path == nil or path:sub(1, 1) ~= "/" then return end
  if from == nil then
    local query = path:find("?", 1, true)
    if query == nil then query = #path + 1 end
    headers:replace(":path", to .. path:sub(query))
    return
  end
  if path:sub(1, #from) ~= from then return end
  local rest = path:sub(#from + 1)
  local first = rest:sub(1, 1)
  if first ~= "" and first ~= "/" and first ~= "?" then return end
  local changed = to .. rest
  if changed:sub(1, 1) ~= "/" then changed = "/" .. changed end
  headers:replace(":path", changed)
end
"#;

/// The script that finds slow answers, after its first line; likewise.
const SLOW: &str = r#"
function envoy_on_request(handle)
  local now = tonumber(handle:timestamp())
  handle:streamInfo():dynamicMetadata():set("mirrorplane", "begun", now)
end
function envoy_on_response(handle)
  local noted = handle:streamInfo():dynamicMetadata():get("mirrorplane")
  local slow = 0
  if noted ~= nil and noted["begun"] ~= nil then
    if tonumber(handle:timestamp()) - noted["begun"] >= limit then slow = 1 end
  end
  local headers = handle:headers()
  headers:remove("endpoint-load-metrics-bin")
  headers:replace("endpoint-load-metrics", "TEXT named_metrics.slow=" .. slow)
end
"#;

/// The filters of a cluster, put together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::shim) struct Filters {
    pub(in crate::shim) headers: Vec<Mutation>,
    path: Option<NewPath>,
    /// What is said of the caller's trace, if that is decided: 1 if it is recorded.
    pub(in crate::shim) tracing: Option<u8>,
    /// From when on an answer is slow.
    pub(in crate::shim) slow_after: Option<Duration>,
}

/// What the script is given.
#[derive(Clone, Debug, PartialEq, Eq)]
struct NewPath {
    from: Option<String>,
    to: String,
}

impl Filters {
    /// The filters that a list of messages describes. The codec must be the last.
    pub(super) fn from_proto(messages: &[HttpFilter]) -> Result<Self, Rejection> {
        let mut filters = Self::default();
        let last = messages.len().saturating_sub(1);
        for (index, message) in messages.iter().enumerate() {
            let Some(ConfigType::TypedConfig(any)) = &message.config_type else {
                return Err(Rejection::new("typed_config", "is missing"))
                    .within(format!("http_filters[{index}]"));
            };
            let body = any.value.as_slice();
            let unread = |error| Rejection::new("", format!("cannot be decoded: {error}"));
            let read = match &any.type_url {
                url if *url == UpstreamCodec::type_url() && index == last => Ok(()),
                url if *url == HeaderMutation::type_url() && index < last => {
                    HeaderMutation::decode(body)
                        .map_err(unread)
                        .and_then(|message| filters.headers(message))
                }
                url if *url == Lua::type_url() && index < last => Lua::decode(body)
                    .map_err(unread)
                    .and_then(|message| filters.script(message)),
                _ => Err(Rejection::new(
                    "",
                    "must be a HeaderMutation, a Lua, or last of all the UpstreamCodec",
                )),
            };
            read.within(format!("http_filters[{index}].typed_config"))?;
        }
        Ok(filters)
    }

    fn headers(&mut self, message: HeaderMutation) -> Result<(), Rejection> {
        let all = message.mutations.unwrap_or_default().request_mutations;
        self.headers
            .extend(mutations("request_mutations", &all).within("mutations")?);
        Ok(())
    }

    fn script(&mut self, message: Lua) -> Result<(), Rejection> {
        let source = message.default_source_code.and_then(|code| code.specifier);
        let text = match &source {
            Some(Specifier::InlineString(text)) => text.as_str(),
            _ => "",
        };
        if let Some(path) = NewPath::of_script(text).filter(|_| self.path.is_none()) {
            self.path = Some(path);
        } else if let Some(flag) = trace::flag(text).filter(|_| self.tracing.is_none()) {
            self.tracing = Some(flag);
        } else if let Some(after) = slow_after(text).filter(|_| self.slow_after.is_none()) {
            self.slow_after = Some(after);
        } else {
            return Err(Rejection::new(
                "default_source_code",
                "must be a script of the control plane, each of them once: the shim supports nothing else",
            ));
        }
        Ok(())
    }

    /// The path and query that a request goes out with.
    pub(in crate::shim) fn path(&self, path: String) -> String {
        match &self.path {
            Some(new) => new.instead_of(&path).unwrap_or(path),
            None => path,
        }
    }
}

impl NewPath {
    /// Reads the first line, if the rest is as it has to be.
    fn of_script(script: &str) -> Option<Self> {
        let line = script.strip_suffix(SCRIPT)?;
        let texts = line.strip_prefix("local from, to = ")?;
        let (from, to) = texts.split_once(", ")?;
        Some(Self {
            from: match from {
                "nil" => None,
                from => Some(unquoted(from)?),
            },
            to: unquoted(to)?,
        })
    }

    /// `None` leaves the path as it is.
    fn instead_of(&self, path: &str) -> Option<String> {
        if !path.starts_with('/') {
            return None;
        }
        let Some(from) = &self.from else {
            let query = path.split_once('?').map(|(_, query)| format!("?{query}"));
            return Some(self.to.clone() + &query.unwrap_or_default());
        };
        let rest = path.strip_prefix(from.as_str())?;
        if !rest.is_empty() && !rest.starts_with(['/', '?']) {
            return None;
        }
        let slash = if self.to.is_empty() && !rest.starts_with('/') {
            "/"
        } else {
            ""
        };
        Some(format!("{slash}{}{rest}", self.to))
    }
}

/// The limit of the script that finds slow answers.
fn slow_after(script: &str) -> Option<Duration> {
    let line = script.strip_suffix(SLOW)?;
    let limit = line.strip_prefix("local limit = ")?;
    limit.parse().ok().map(Duration::from_millis)
}

/// What a text of Lua stands for, if it is written with `\ddd` and nothing else that is special.
fn unquoted(text: &str) -> Option<String> {
    let mut pieces = text.strip_prefix('"')?.strip_suffix('"')?.split('\\');
    let mut bytes = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        let (number, rest) = piece.split_at_checked(3)?;
        bytes.push(number.parse().ok()?);
        bytes.extend(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use envoy_types::pb::envoy::config::core::v3::DataSource;
    use envoy_types::util::pack_any;

    use super::*;

    fn lua(script: &str) -> HttpFilter {
        filter(pack_any(Lua {
            default_source_code: Some(DataSource {
                specifier: Some(Specifier::InlineString(script.to_owned())),
                ..DataSource::default()
            }),
            ..Lua::default()
        }))
    }

    fn filter(any: envoy_types::pb::google::protobuf::Any) -> HttpFilter {
        HttpFilter {
            config_type: Some(ConfigType::TypedConfig(any)),
            ..HttpFilter::default()
        }
    }

    fn codec() -> HttpFilter {
        filter(pack_any(UpstreamCodec {}))
    }

    #[test]
    fn the_script_of_the_control_plane_is_understood() {
        for (first, path, expected) in [
            (r#""/api", "/v2""#, "/api", "/v2"),
            (r#""/api", "/v2""#, "/api/x?q=/api", "/v2/x?q=/api"),
            (r#""/api", "/v2""#, "/api?q", "/v2?q"),
            (r#""/api", "/v2""#, "/apis", "/apis"),
            (r#""/api", "/v2""#, "/", "/"),
            (r#""/api", """#, "/api/x", "/x"),
            (r#""/api", """#, "/api?q", "/?q"),
            (r#""/api", """#, "/api", "/"),
            (r#""", "/v2""#, "/x", "/v2/x"),
            (r#""", "/v2""#, "*", "*"),
            (r#"nil, "/a\037\050\048""#, "/x?q=?", "/a%20?q=?"),
            (r#"nil, "/a""#, "/x", "/a"),
            (r#"nil, "/a""#, "*", "*"),
        ] {
            let script = format!("local from, to = {first}{SCRIPT}");
            let filters = Filters::from_proto(&[lua(&script), codec()]).unwrap();
            assert_eq!(filters.path(path.to_owned()), expected, "{first}: {path}");
        }
    }

    #[test]
    fn the_script_that_finds_slow_answers_stands_beside_the_other() {
        let path = format!("local from, to = nil, \"/a\"{SCRIPT}");
        let slow = |limit: &str| format!("local limit = {limit}{SLOW}");
        let both = [lua(&path), lua(&slow("300")), codec()];
        let filters = Filters::from_proto(&both).unwrap();
        assert_eq!(filters.slow_after, Some(Duration::from_millis(300)));
        assert_eq!(filters.path("/x".to_owned()), "/a");
        for limit in ["os.exit()", "-1", "0.5"] {
            Filters::from_proto(&[lua(&slow(limit)), codec()]).unwrap_err();
        }
        Filters::from_proto(&[lua(&slow("1")), lua(&slow("2")), codec()]).unwrap_err();
    }

    #[test]
    fn other_filters_and_scripts_are_refused() {
        let script = |first: &str| format!("local from, to = {first}{SCRIPT}");
        let good = script(r#"nil, "/a""#);
        for (list, expected) in [
            (
                vec![lua("print(1)"), codec()],
                "http_filters[0].typed_config.default_source_code",
            ),
            (
                vec![lua(&script("nil, os")), codec()],
                "http_filters[0].typed_config.default_source_code",
            ),
            (
                vec![lua(&script(r#"nil, "\x""#)), codec()],
                "http_filters[0].typed_config.default_source_code",
            ),
            (
                vec![lua(&good), lua(&good), codec()],
                "http_filters[1].typed_config.default_source_code",
            ),
            (vec![lua(&good)], "http_filters[0].typed_config must be"),
            (
                vec![codec(), codec()],
                "http_filters[0].typed_config must be",
            ),
            (
                vec![HttpFilter::default(), codec()],
                "http_filters[0].typed_config is missing",
            ),
        ] {
            let text = Filters::from_proto(&list).unwrap_err().to_string();
            assert!(text.starts_with(expected), "{text}");
        }
        assert_eq!(Filters::from_proto(&[]), Ok(Filters::default()));
    }
}
