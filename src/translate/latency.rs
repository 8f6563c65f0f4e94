//! Which copies are slow, in Lua: the filter of a mirror's cluster that takes the time.
//!
//! What Envoy reports of a cluster says nothing of time, but for what servers report of themselves: a header of their answers,
//! by which they tell their load. The script sets that header, in the place of whatever a shadow says; so a report has the
//! number of slow answers, exact. An answer goes nowhere from here, and nobody else sees the header.
//!
//! The script is the same for everybody but for its first line.

use std::time::Duration;

/// What is reported: slow answers.
pub(super) const METRIC: &str = "named_metrics.slow";

/// Works on `limit`, in milliseconds.
const BODY: &str = r#"
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

/// The script that counts answers which begin so late.
pub(super) fn of(slow_after: Duration) -> String {
    format!("local limit = {}{BODY}", slow_after.as_millis())
}
