//! When a ramp began, where its object does not say so: the leader writes it down, everybody reads it. Pure.

use std::time::SystemTime;

use prost_types::Timestamp;
use serde_json::Value;

use crate::api::status::RampStatus;
use crate::brake::Progress;

/// What is said of a ramp. Its start is left out if it is to be recorded.
pub(super) fn status(progress: &Progress) -> RampStatus {
    let text = |time: SystemTime| Timestamp::from(time).to_string();
    let stage = progress.stage.filter(|(stage, _)| stage.cap.is_some());
    let step = match (progress.stage, stage) {
        (None, _) => None,
        (Some((_, steps)), Some((stage, _))) => Some(format!("{}/{steps}", stage.step)),
        (Some(_), None) => Some("done".to_owned()),
    };
    RampStatus {
        started_at: progress.start.map(text),
        of: progress.of.clone(),
        step,
        until: stage.and_then(|(stage, _)| stage.until).map(text),
    }
}

/// Records that a ramp begins now, unless the status that is there says when it began.
pub(super) fn begin(fields: &mut Value, current: &Value, now: &str) {
    let Some(ramp) = fields.get_mut("ramp") else {
        return;
    };
    if ramp.get("startedAt").is_some() {
        return;
    }
    let recorded = current.get("ramp").filter(|had| had["of"] == ramp["of"]);
    let recorded = recorded.and_then(|had| had["startedAt"].as_str());
    ramp["startedAt"] = Value::from(recorded.unwrap_or(now));
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use serde_json::json;

    use super::begin;

    #[test]
    fn a_ramp_begins_once() {
        let wanted = json!({"share": "1%", "ramp": {"of": "a"}});
        for (current, expected) in [
            (Value::Null, "now"),
            (json!({}), "now"),
            (json!({"ramp": {"of": "a"}}), "now"),
            (json!({"ramp": {"of": "a", "startedAt": "then"}}), "then"),
            (json!({"ramp": {"of": "b", "startedAt": "then"}}), "now"),
        ] {
            let mut fields = wanted.clone();
            begin(&mut fields, &current, "now");
            assert_eq!(fields["ramp"]["startedAt"], expected, "{current}");
        }
        let mut known = json!({"ramp": {"of": "a", "startedAt": "before"}});
        begin(
            &mut known,
            &json!({"ramp": {"of": "a", "startedAt": "then"}}),
            "now",
        );
        assert_eq!(known["ramp"]["startedAt"], "before");
        let mut none = json!({"share": "1%"});
        begin(&mut none, &Value::Null, "now");
        assert_eq!(none, json!({"share": "1%"}));
    }
}
