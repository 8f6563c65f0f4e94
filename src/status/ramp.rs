//! How a ramp has gone, as it is kept in the status of its object: the leader writes it down, everybody goes by it. Pure.

use std::time::SystemTime;

use prost_types::Timestamp;
use serde_json::Value;

use crate::api::plugin::RecordedRamp;
use crate::api::status::RampStatus;
use crate::brake::Course;
use crate::brake::Progress;
use crate::brake::stage;
use crate::model::Verdict;

/// What is to be kept of a ramp. `current` is the status that its object has, `verdict` what copies say to the gate of a step
/// of this name. A ramp of which nothing is kept begins now.
pub(super) fn status(
    progress: &Progress,
    current: &Value,
    verdict: Option<(u64, Verdict)>,
    now: SystemTime,
) -> RampStatus {
    let ramp = &progress.ramp;
    let recorded = current.get("ramp").cloned().unwrap_or_default();
    let recorded: Option<RecordedRamp> = serde_json::from_value(recorded).ok();
    let recorded = recorded.and_then(|recorded| Course::recorded(ramp, &recorded));
    let course = recorded.unwrap_or_else(|| Course::new(ramp.start.unwrap_or(to_seconds(now))));
    let gated = course.gated(ramp, now);
    let verdict = verdict.filter(|(id, _)| gated.is_some_and(|gated| gated.id == *id));
    let verdict = verdict.map(|(_, verdict)| verdict);
    let course = course.next(ramp, progress.halt, verdict == Some(Verdict::Open), now);
    let here = stage(ramp, &course, now);
    let reason = verdict.and_then(|verdict| verdict.reason(&gated?.gate));
    let waits = match progress.halt.filter(|_| course.halted.is_some()) {
        Some(halt) => Some(halt.reason().to_owned()),
        None => here
            .waits
            .then(|| reason.unwrap_or_else(|| "copies are counted".to_owned())),
    };
    let text = |time: SystemTime| Timestamp::from(time).to_string();
    let stood = prost_types::Duration::try_from(course.stood).ok();
    let steps = ramp.steps.len();
    RampStatus {
        started_at: Some(text(course.start)),
        of: ramp.identity(),
        // Before its start is known to all it is at none.
        step: progress.stage.map(|_| match here.cap {
            Some(_) => format!("{}/{steps}", here.step),
            None => "done".to_owned(),
        }),
        until: progress.stage.and(here.until).map(text),
        waits,
        held_at: course.halted.map(text),
        held_for: stood
            .filter(|_| !course.stood.is_zero())
            .map(|stood| stood.to_string()),
        passed: i32::try_from(course.passed).ok().filter(|step| *step > 0),
    }
}

/// Without fractions of a second.
fn to_seconds(time: SystemTime) -> SystemTime {
    let whole = Timestamp {
        nanos: 0,
        ..Timestamp::from(time)
    };
    SystemTime::try_from(whole).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;
    use std::time::SystemTime;

    use serde_json::Value;
    use serde_json::json;

    use super::status;
    use crate::brake::Course;
    use crate::brake::Halt;
    use crate::brake::Progress;
    use crate::brake::stage;
    use crate::model::Fraction;
    use crate::model::Gate;
    use crate::model::Ramp;
    use crate::model::RampStep;
    use crate::model::Verdict;

    fn at(millis: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(millis)
    }

    fn progress(start: Option<SystemTime>, halt: Option<Halt>) -> Progress {
        let gate = Gate {
            max_failures: Some(Fraction::HUNDREDTH),
            min_requests: 5,
        };
        let step = |gate| RampStep {
            share: Fraction::HUNDREDTH,
            lasts: Duration::from_secs(10),
            gate,
        };
        Progress {
            ramp: Arc::new(Ramp {
                start,
                steps: vec![step(Some(gate)), step(None)],
            }),
            course: None,
            halt,
            stage: None,
            gated: None,
            local: false,
        }
    }

    /// What is kept in the end, whoever writes it and however often, as each reads what the one before has written.
    fn kept(
        current: &Value,
        progress: &Progress,
        verdict: Option<Verdict>,
        now: SystemTime,
    ) -> Value {
        let mut current = current.clone();
        for _ in 0..3 {
            let ramp = &progress.ramp;
            let recorded = current["ramp"].clone();
            let recorded = serde_json::from_value(recorded).ok();
            let course = recorded.and_then(|one| Course::recorded(ramp, &one));
            let progress = Progress {
                course,
                stage: course.map(|course| stage(ramp, &course, now)),
                ..progress.clone()
            };
            let gated = course.and_then(|course| course.gated(ramp, now));
            let verdict = gated.and_then(|gated| Some((gated.id, verdict?)));
            let ramp = status(&progress, &current, verdict, now);
            current = json!({ "ramp": ramp });
        }
        current
    }

    #[test]
    fn a_ramp_begins_once_and_anew_with_other_steps() {
        let plain = progress(None, None);
        let began = kept(&Value::Null, &plain, None, at(7_900));
        let of = plain.ramp.identity();
        let expected = json!({"startedAt": "1970-01-01T00:00:07Z", "of": of, "step": "1/2",
            "until": "1970-01-01T00:00:17Z"});
        assert_eq!(began["ramp"], expected);
        assert_eq!(kept(&began, &plain, None, at(9_000)), began);
        let other = json!({"ramp": {"startedAt": "1970-01-01T00:00:01Z", "of": "other"}});
        assert_eq!(kept(&other, &plain, None, at(7_900)), began);
        let strange = json!({"ramp": {"startedAt": 7, "of": of}});
        assert_eq!(kept(&strange, &plain, None, at(7_900)), began);
        // One whose object says when begins then, whatever was kept of another.
        let known = progress(Some(at(8_500)), None);
        let expected = json!({"startedAt": "1970-01-01T00:00:08.500Z", "of": of, "step": "0/2",
            "until": "1970-01-01T00:00:08.500Z"});
        assert_eq!(kept(&began, &known, None, at(8_000))["ramp"], expected);
    }

    #[test]
    fn what_is_kept_of_a_halt_is_enough_to_go_on() {
        let began = kept(&Value::Null, &progress(None, None), None, at(1_000));
        let stopped = progress(None, Some(Halt::Stopped));
        let held = kept(&began, &stopped, None, at(5_000));
        assert_eq!(held["ramp"]["heldAt"], "1970-01-01T00:00:05Z");
        assert_eq!(held["ramp"]["waits"], "it is stopped");
        assert_eq!(held["ramp"].get("until"), None);
        assert_eq!(kept(&held, &stopped, None, at(60_000)), held);
        let resumed = kept(&held, &progress(None, None), None, at(65_000));
        assert_eq!(resumed["ramp"]["heldFor"], "60s");
        assert_eq!(resumed["ramp"]["until"], "1970-01-01T00:01:11Z");
        assert_eq!(resumed["ramp"].get("waits"), None);
        // The step in which a budget was exceeded begins anew.
        let blown = progress(None, Some(Halt::Blown(at(66_250))));
        let held = kept(&resumed, &blown, None, at(68_000));
        let resumed = kept(&held, &progress(None, None), None, at(70_000));
        assert_eq!(resumed["ramp"]["until"], "1970-01-01T00:01:20Z");
    }

    #[test]
    fn a_gate_is_passed_once_and_the_reason_is_told_until_then() {
        let plain = progress(None, None);
        let began = kept(&Value::Null, &plain, None, at(1_000));
        let early = kept(&began, &plain, Some(Verdict::Open), at(10_999));
        assert_eq!(early, began, "its time is not over");
        let waits = kept(&began, &plain, Some(Verdict::Few), at(12_000));
        assert_eq!(waits["ramp"]["waits"], "there were fewer than 5 copies");
        assert_eq!(waits["ramp"]["step"], "1/2");
        let failing = Verdict::Failing(Fraction::ONE);
        let waits = kept(&waits, &plain, Some(failing), at(20_000));
        let why = "about 100% of the copies failed, more than 1%";
        assert_eq!(waits["ramp"]["waits"], why);
        let passed = kept(&waits, &plain, Some(Verdict::Open), at(31_000));
        assert_eq!(passed["ramp"]["step"], "2/2");
        assert_eq!(passed["ramp"]["passed"], 1);
        assert_eq!(passed["ramp"]["until"], "1970-01-01T00:00:41Z");
        assert_eq!(passed["ramp"].get("waits"), None);
        let done = kept(&passed, &plain, None, at(41_000));
        assert_eq!(done["ramp"]["step"], "done");
    }
}
