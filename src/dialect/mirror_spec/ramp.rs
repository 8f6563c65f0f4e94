//! By which steps a share is reached: `ramp`.

use std::sync::Arc;
use std::time::Duration;
use std::time::SystemTime;

use prost_types::Timestamp;
use serde_json::Value;

use super::budget;
use super::decode::Reader;
use super::is_not;
use crate::api::duration;
use crate::api::mirror_config::{GateConfig, RampConfig};
use crate::diag::{Code, Diagnostic, FieldPath};
use crate::model::{Fraction, Gate, Ramp, RampStep};

/// A step that lasts longer is as good as the end.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3_600);
/// More steps than anybody can tell apart.
const MOST: usize = 100;

/// Reads it; what is wrong is reported, and counts as absent. `share` is what the last step leads to.
pub(super) fn read(reader: &mut Reader<'_>, share: Option<Fraction>) -> Option<Arc<Ramp>> {
    let RampConfig { start, steps } = reader.optional("ramp")?;
    let path = FieldPath::root().key("ramp");
    let start = start.and_then(|text| time(&text, path.clone().key("start"), reader));
    let path = path.key("steps");
    if steps.is_empty() || steps.len() > MOST {
        reader.error(
            Code::BadConfigValue,
            path,
            format!("a ramp of {} steps", steps.len()),
            format!("give 1 to {MOST} steps, each with `percentage.value` and `duration`"),
        );
        return None;
    }
    let mut read = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        let path = path.clone().index(index);
        let of_step = step.percentage.as_ref();
        let of_step = of_step.and_then(|percentage| percentage.value.as_ref());
        let value = path.clone().key("percentage").key("value");
        let lasts = lasts(
            step.duration.as_deref(),
            path.clone().key("duration"),
            reader,
        );
        let gate = step.gate.as_ref();
        let gate = gate.and_then(|gate| self::gate(gate, path.key("gate"), reader));
        let step = fraction(of_step, value.clone(), reader);
        if let (Some(step), Some(share)) = (step, share)
            && step > share
        {
            above(value, step, share, reader);
        }
        if let (Some(share), Some(lasts)) = (step, lasts) {
            read.push(RampStep { share, lasts, gate });
        }
    }
    let steps = read;
    Some(Arc::new(Ramp { start, steps }))
}

fn time(text: &str, path: FieldPath, reader: &mut Reader<'_>) -> Option<SystemTime> {
    let time = text.parse::<Timestamp>().ok();
    let time = time.and_then(|time| SystemTime::try_from(time).ok());
    if time.is_none() {
        reader.error(
            Code::BadConfigValue,
            path,
            format!("{text:?} is not a time"),
            "give date and time of day as in `2030-01-31T09:00:00Z`".to_owned(),
        );
    }
    time
}

fn lasts(text: Option<&str>, path: FieldPath, reader: &mut Reader<'_>) -> Option<Duration> {
    let lasts = text.and_then(duration::parse);
    let lasts = lasts.filter(|time| !time.is_zero() && *time <= LONGEST);
    if lasts.is_none() {
        reader.error(
            Code::BadConfigValue,
            path,
            is_not(given(text), "a time that a step may last"),
            "give a whole number of ms, s, m or h, more than 0, at most 8784h".to_owned(),
        );
    }
    lasts
}

/// What is asked at the end of a step.
fn gate(config: &GateConfig, path: FieldPath, reader: &mut Reader<'_>) -> Option<Gate> {
    if config.max_failures.is_none() && config.min_requests.is_none() {
        reader.error(
            Code::BadConfigValue,
            path,
            "a gate that asks for nothing".to_owned(),
            "say what has to be so: `gate: {maxFailures: 0.01, minRequests: 100}`".to_owned(),
        );
        return None;
    }
    let failures = config.max_failures;
    Some(Gate {
        max_failures: failures.and_then(|number| {
            budget::share(Some(number), path.key("maxFailures"), "fail", reader)
        }),
        min_requests: budget::least(config.min_requests),
    })
}

/// The share of a step: nobody has to be forgiven, as for `percentage`, what another program did.
fn fraction(value: Option<&Value>, path: FieldPath, reader: &mut Reader<'_>) -> Option<Fraction> {
    let number = value.and_then(Value::as_f64);
    let fraction = number.filter(|number| (0.0..=1.0).contains(number));
    if fraction.is_none() {
        reader.error(
            Code::BadConfigValue,
            path,
            is_not(given(value.cloned()), "the share of a step"),
            "give a fraction from 0 to 1: 0.01 is one request in a hundred".to_owned(),
        );
    }
    // Between 0 and a million, so it fits.
    Fraction::from_millionths((fraction? * 1e6).round() as u32)
}

fn given<T: Into<Value>>(value: Option<T>) -> Option<String> {
    value.map(|value| value.into().to_string())
}

fn above(path: FieldPath, step: Fraction, share: Fraction, reader: &mut Reader<'_>) {
    let path = FieldPath::of("spec.config").join(&path);
    let message = format!("the step's share of {step} is above {share}, to which the ramp leads");
    reader.report.push(
        Diagnostic::new(Code::RampStepTooLarge, reader.origin, path, message)
            .effect(format!("{share} is mirrored in this step"))
            .help("`percentage.value` is what is mirrored after the last step, and at most"),
    );
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::super::read;
    use crate::diag::Report;
    use crate::dialect::fixture::{found, nowhere};
    use crate::model::Ramp;

    fn ramp(ramp: Value) -> (Option<Ramp>, Vec<String>) {
        let config = json!({
            "namespace": "n", "service": "s", "port": 1, "percentage": {"value": 0.5}, "ramp": ramp,
        });
        let mut report = Report::default();
        let spec = read(&config, &nowhere(), "otherwise", &mut report);
        let ramp = spec.and_then(|spec| spec.ramp.as_deref().cloned());
        (ramp, found(&report))
    }

    #[test]
    fn steps_are_read_in_order() {
        let (read, said) = ramp(json!({"start": "2030-01-01T00:00:00+01:00", "steps": [
            {"percentage": {"value": 0.01}, "duration": "10m"},
            {"percentage": {"value": 1}, "duration": "500ms"},
        ]}));
        let read = read.unwrap();
        let steps: Vec<_> = read
            .steps
            .iter()
            .map(|step| (step.share.to_string(), step.lasts))
            .collect();
        let expected = [("1%", 600_000), ("100%", 500)]
            .map(|(share, millis)| (share.to_owned(), Duration::from_millis(millis)));
        assert_eq!(steps, expected);
        let start = read.start.unwrap().duration_since(std::time::UNIX_EPOCH);
        assert_eq!(start.unwrap().as_secs(), 1_893_452_400);
        assert_eq!(
            said,
            ["RampStepTooLarge spec.config.ramp.steps[1].percentage.value"]
        );
    }

    fn gated(gate: Value) -> Value {
        json!({"steps": [{"percentage": {"value": 0.1}, "duration": "1s", "gate": gate}]})
    }

    #[test]
    fn a_gate_asks_for_copies_and_that_few_of_them_fail() {
        for (gate, most, least) in [
            (json!({"maxFailures": 0.01}), Some("1%"), 20),
            (json!({"maxFailures": 0, "minRequests": 7}), Some("0%"), 7),
            (json!({"minRequests": 0}), None, 1),
        ] {
            let read = ramp(gated(gate)).0.unwrap().steps[0].gate.unwrap();
            let share = read.max_failures.map(|most| most.to_string());
            assert_eq!((share.as_deref(), read.min_requests), (most, least));
        }
    }

    #[test]
    fn what_means_nothing_is_reported_where_it_stands() {
        let step = |share: Value, lasts: Value| json!({"steps": [{"percentage": {"value": share}, "duration": lasts}]});
        for (given, expected) in [
            (json!({}), "BadConfigValue spec.config.ramp.steps"),
            (json!([]), "BadConfigValue spec.config.ramp"),
            (json!(7), "BadConfigValue spec.config.ramp"),
            (
                json!({"steps": []}),
                "BadConfigValue spec.config.ramp.steps",
            ),
            (
                json!({"steps": [{"duration": "1s"}]}),
                "BadConfigValue spec.config.ramp.steps[0].percentage.value",
            ),
            (
                step(json!(1.5), json!("1s")),
                "BadConfigValue spec.config.ramp.steps[0].percentage.value",
            ),
            (
                step(json!("0.5"), json!("1s")),
                "BadConfigValue spec.config.ramp.steps[0].percentage.value",
            ),
            (
                step(Value::Null, json!("1s")),
                "BadConfigValue spec.config.ramp.steps[0].percentage.value",
            ),
            (
                step(json!(0.1), json!("0s")),
                "BadConfigValue spec.config.ramp.steps[0].duration",
            ),
            (
                step(json!(0.1), json!("9000h")),
                "BadConfigValue spec.config.ramp.steps[0].duration",
            ),
            (
                step(json!(0.1), json!(10)),
                "BadConfigValue spec.config.ramp.steps[0].duration",
            ),
            (
                json!({"start": "tomorrow", "steps": [{"percentage": {"value": 0.1}, "duration": "1s"}]}),
                "BadConfigValue spec.config.ramp.start",
            ),
            (
                gated(json!({})),
                "BadConfigValue spec.config.ramp.steps[0].gate",
            ),
            (
                gated(json!({"maxFailures": 1})),
                "BadConfigValue spec.config.ramp.steps[0].gate.maxFailures",
            ),
            (
                gated(json!({"minRequests": "many"})),
                "BadConfigValue spec.config.ramp.steps[0].gate.minRequests",
            ),
            (
                gated(json!({"maxFailure": 0, "minRequests": 1})),
                "UnknownConfigKey spec.config.ramp.steps[0].gate.maxFailure",
            ),
            (
                json!({"stop": 1, "steps": [{"percentage": {"value": 0.1}, "duration": "1s"}]}),
                "UnknownConfigKey spec.config.ramp.stop",
            ),
        ] {
            assert_eq!(
                ramp(given.clone()),
                (None, vec![expected.to_owned()]),
                "{given}"
            );
        }
    }
}
