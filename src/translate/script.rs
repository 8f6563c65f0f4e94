//! Another path for a copy, in Lua: the only filter of an upstream that may change `:path`.
//!
//! The script is the same for everybody but for its first line, where what the user wrote stands as two texts. There is
//! nothing in it that could fail: a request has a path, and only texts are cut and joined.

use std::fmt::Write;

use crate::model::NewPath;

/// Works on `from`, which is nil for all paths, and `to`.
const BODY: &str = r#"
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

/// The script that makes the path of a copy.
pub(super) fn of(path: &NewPath) -> String {
    let (from, to) = match path {
        NewPath::Prefix { from, to } => (quoted(from), quoted(to)),
        NewPath::Full(to) => ("nil".to_owned(), quoted(to)),
    };
    format!("local from, to = {from}, {to}{BODY}")
}

/// A text of Lua. Whatever is not plain is written by its number, so that no text can end the quotes.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._".contains(&byte) {
            quoted.push(char::from(byte));
        } else {
            write!(quoted, "\\{byte:03}").expect("writing to a string does not fail");
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_cannot_end_its_quotes() {
        for (text, expected) in [
            ("/api/v1.2", r#""/api/v1.2""#),
            ("", r#""""#),
            ("/\"..x", r#""/\034..x""#),
            ("/\\", r#""/\092""#),
            ("/a\nb]]", r#""/a\010b\093\093""#),
            ("/%41ä", r#""/\03741\195\164""#),
        ] {
            assert_eq!(quoted(text), expected);
        }
    }

    #[test]
    fn what_the_user_wrote_stands_in_the_first_line_alone() {
        let path = NewPath::Full("/x".to_owned());
        let script = of(&path);
        assert_eq!(script.lines().next(), Some(r#"local from, to = nil, "/x""#));
        assert!(script.ends_with(BODY));
    }
}
