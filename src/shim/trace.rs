//! Whether a copy says that the caller's trace is recorded. The shim runs no Lua: it does what the script of the control plane
//! does.

use http::HeaderMap;
use http::header::HeaderValue;

/// The script after its first line.
const SCRIPT: &str = r#"
function envoy_on_request(handle)
  local headers, text = handle:headers(), tostring(flag)
  local function change(name, pattern, to)
    local value = headers:get(name)
    if value == nil then return end
    local changed, count = value:gsub(pattern, to)
    if count > 0 then headers:replace(name, changed) end
  end
  change("traceparent", "^(%x%x%-%x+%-%x+%-)(%x%x)", function(before, bits)
    local number = tonumber(bits, 16)
    return before .. string.format("%02x", number - number % 2 + flag)
  end)
  change("b3", "^[01d]$", text)
  change("b3", "^(%x+%-%x+)$", "%1-" .. text)
  change("b3", "^(%x+%-%x+%-)[01d]", "%1" .. text)
  local b3 = headers:get("x-b3-traceid") or headers:get("x-b3-sampled") or headers:get("x-b3-flags")
  if b3 ~= nil then
    headers:replace("x-b3-sampled", text)
    headers:remove("x-b3-flags")
  end
  change("uber-trace-id", "^(%x+:%x+:%x+:)(%x%x?)$", function(before, bits)
    local number = tonumber(bits, 16)
    return before .. string.format("%x", number - number % 4 + flag)
  end)
  change("x-amzn-trace-id", "Sampled=[01?]", "Sampled=" .. text)
  change("x-cloud-trace-context", ";o=%d+$", ";o=" .. text)
  change("x-datadog-sampling-priority", "^%-?%d+$", text)
  change("sw8", "^[01]%-", text .. "-")
end
"#;

/// What the script is given: 1 if it is recorded, 0 if it is not. `None` if it is another script.
pub(super) fn flag(script: &str) -> Option<u8> {
    match script.strip_suffix(SCRIPT)? {
        "local flag = 0" => Some(0),
        "local flag = 1" => Some(1),
        _ => None,
    }
}

/// Has the headers say so, in each form that they have.
pub(super) fn decide(headers: &mut HeaderMap, flag: u8) {
    type Form = fn(&str, u8) -> Option<String>;
    let forms: [(&str, Form); 7] = [
        ("traceparent", w3c),
        ("b3", b3),
        ("uber-trace-id", jaeger),
        ("x-amzn-trace-id", x_ray),
        ("x-cloud-trace-context", cloud),
        ("x-datadog-sampling-priority", datadog),
        ("sw8", skywalking),
    ];
    for (name, form) in forms {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        let changed = value.and_then(|value| form(value, flag));
        if let Some(changed) = changed.and_then(|text| HeaderValue::try_from(text).ok()) {
            headers.insert(name, changed);
        }
    }
    let several = ["x-b3-traceid", "x-b3-sampled", "x-b3-flags"];
    if several.iter().any(|name| headers.contains_key(*name)) {
        headers.insert("x-b3-sampled", HeaderValue::from(u16::from(flag)));
        headers.remove("x-b3-flags");
    }
}

fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// `VERSION-TRACE-SPAN-FLAGS`, and in later versions perhaps more.
fn w3c(value: &str, flag: u8) -> Option<String> {
    let mut parts = value.splitn(4, '-');
    let (version, trace, span) = (parts.next()?, parts.next()?, parts.next()?);
    let (bits, more) = parts.next()?.split_at_checked(2)?;
    if version.len() != 2 || ![version, trace, span, bits].into_iter().all(is_hex) {
        return None;
    }
    let bits = u8::from_str_radix(bits, 16).ok()? & !1 | flag;
    Some(format!("{version}-{trace}-{span}-{bits:02x}{more}"))
}

/// `TRACE-SPAN-STATE-PARENT`, the last two perhaps missing, or the state alone.
fn b3(value: &str, flag: u8) -> Option<String> {
    if matches!(value, "0" | "1" | "d") {
        return Some(flag.to_string());
    }
    let mut parts = value.splitn(3, '-');
    let (trace, span) = (parts.next()?, parts.next()?);
    if ![trace, span].into_iter().all(is_hex) {
        return None;
    }
    let more = match parts.next() {
        None => "",
        Some(state) => state.strip_prefix(['0', '1', 'd'])?,
    };
    Some(format!("{trace}-{span}-{flag}{more}"))
}

/// `TRACE:SPAN:PARENT:FLAGS`, of which the second bit asks for more than to be recorded.
fn jaeger(value: &str, flag: u8) -> Option<String> {
    let (before, bits) = value.rsplit_once(':')?;
    let ids: Vec<&str> = before.split(':').collect();
    let fits = ids.len() == 3 && ids.into_iter().all(is_hex) && is_hex(bits) && bits.len() <= 2;
    let bits = u8::from_str_radix(bits, 16).ok().filter(|_| fits)? & !3 | flag;
    Some(format!("{before}:{bits:x}"))
}

fn x_ray(value: &str, flag: u8) -> Option<String> {
    let changed = ["0", "1", "?"]
        .iter()
        .fold(value.to_owned(), |text, state| {
            text.replace(&format!("Sampled={state}"), &format!("Sampled={flag}"))
        });
    Some(changed)
}

/// `TRACE/SPAN;o=OPTIONS`.
fn cloud(value: &str, flag: u8) -> Option<String> {
    let (before, options) = value.rsplit_once(";o=")?;
    let is_number = !options.is_empty() && options.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| format!("{before};o={flag}"))
}

fn datadog(value: &str, flag: u8) -> Option<String> {
    let digits = value.strip_prefix('-').unwrap_or(value);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| flag.to_string())
}

/// `SAMPLE-TRACE-...`.
fn skywalking(value: &str, flag: u8) -> Option<String> {
    let rest = value.strip_prefix(['0', '1'])?;
    rest.starts_with('-').then(|| format!("{flag}{rest}"))
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use http::HeaderName;
    use http::HeaderValue;

    use super::SCRIPT;
    use super::decide;
    use super::flag;

    #[test]
    fn every_form_says_what_it_is_told_to_and_no_other_changes() {
        let cases = [
            ("traceparent", "00-ab-cd-01", "00-ab-cd-00", "00-ab-cd-01"),
            ("traceparent", "00-ab-cd-02", "00-ab-cd-02", "00-ab-cd-03"),
            (
                "traceparent",
                "cc-ab-cd-ff-x",
                "cc-ab-cd-fe-x",
                "cc-ab-cd-ff-x",
            ),
            ("traceparent", "00-ab-cd", "00-ab-cd", "00-ab-cd"),
            ("traceparent", "nonsense", "nonsense", "nonsense"),
            ("b3", "d", "0", "1"),
            ("b3", "ab-cd", "ab-cd-0", "ab-cd-1"),
            ("b3", "ab-cd-1-ef", "ab-cd-0-ef", "ab-cd-1-ef"),
            ("b3", "ab-cd-x", "ab-cd-x", "ab-cd-x"),
            ("uber-trace-id", "a:b:0:3", "a:b:0:0", "a:b:0:1"),
            ("uber-trace-id", "a:b:1", "a:b:1", "a:b:1"),
            (
                "x-amzn-trace-id",
                "Root=1-2;Sampled=?",
                "Root=1-2;Sampled=0",
                "Root=1-2;Sampled=1",
            ),
            ("x-amzn-trace-id", "Root=1-2", "Root=1-2", "Root=1-2"),
            ("x-cloud-trace-context", "ab/1;o=3", "ab/1;o=0", "ab/1;o=1"),
            ("x-cloud-trace-context", "ab/1", "ab/1", "ab/1"),
            ("x-datadog-sampling-priority", "-1", "0", "1"),
            ("sw8", "1-TQ==", "0-TQ==", "1-TQ=="),
            ("x-b3-sampled", "true", "0", "1"),
            ("x-other", "1", "1", "1"),
        ];
        for (name, before, off, always) in cases {
            for (flag, expected) in [(0, off), (1, always)] {
                let name = HeaderName::from_static(name);
                let value = HeaderValue::from_static(before);
                let mut headers = HeaderMap::from_iter([(name.clone(), value)]);
                decide(&mut headers, flag);
                assert_eq!(headers[&name], expected, "{name}: {before}");
                assert_eq!(headers.len(), 1);
            }
        }
        let flags = (HeaderName::from_static("x-b3-flags"), HeaderValue::from(1));
        let mut headers = HeaderMap::from_iter([flags]);
        decide(&mut headers, 0);
        let named = (
            HeaderName::from_static("x-b3-sampled"),
            HeaderValue::from(0),
        );
        assert_eq!(headers, HeaderMap::from_iter([named]));
    }

    #[test]
    fn only_the_script_of_the_control_plane_is_understood() {
        assert_eq!(flag(&format!("local flag = 1{SCRIPT}")), Some(1));
        assert_eq!(flag(&format!("local flag = 2{SCRIPT}")), None);
        assert_eq!(flag("local flag = 1"), None);
    }
}
