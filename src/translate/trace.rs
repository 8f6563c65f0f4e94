//! Whether a copy says that the caller's trace is recorded, in Lua: that is one bit of a text, in each of several forms.
//!
//! A form that a request does not have is not added, so that a copy without a trace has none. The caller's own trace stays as it
//! is: only the copy says so, and whatever is called in answer to it says it on.
//!
//! The script is the same for everybody but for its first line.

use crate::model::Sampled;

/// Works on `flag`, 1 or 0: the contexts of W3C, B3 in one header and in several, Jaeger, X-Ray, Google Cloud, Datadog and
/// SkyWalking.
const BODY: &str = r#"
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

/// The script that says so.
pub(super) fn of(sampled: Sampled) -> String {
    let flag = match sampled {
        Sampled::Yes => 1,
        Sampled::No => 0,
    };
    format!("local flag = {flag}{BODY}")
}
