//! What copies may use: `timeout`, `maxConcurrentRequests`.

use std::time::Duration;

use super::decode::Reader;
use crate::api::duration;
use crate::diag::{Code, FieldPath};
use crate::model::Limits;

/// A copy that may take longer would be a load of its own.
const LONGEST: Duration = Duration::from_secs(300);
/// As many copies at once would be the load of another service.
const MOST: u32 = 10_000;

/// Reads them; what is wrong is reported, and counts as absent.
pub(super) fn read(reader: &mut Reader<'_>) -> Limits {
    let default = Limits::default();
    Limits {
        duration: timeout(reader).unwrap_or(default.duration),
        concurrent: concurrent(reader).unwrap_or(default.concurrent),
        ..default
    }
}

fn timeout(reader: &mut Reader<'_>) -> Option<Duration> {
    let text: String = reader.optional("timeout")?;
    let timeout = duration::parse(&text).filter(|time| !time.is_zero() && *time <= LONGEST);
    if timeout.is_none() {
        reader.error(
            Code::BadConfigValue,
            FieldPath::root().key("timeout"),
            format!("{text:?} is not a time that a copy may take"),
            "give a whole number of ms, s or m, from 1ms to 5m".to_owned(),
        );
    }
    timeout
}

fn concurrent(reader: &mut Reader<'_>) -> Option<u32> {
    let number: u32 = reader.optional("maxConcurrentRequests")?;
    if (1..=MOST).contains(&number) {
        return Some(number);
    }
    reader.error(
        Code::BadConfigValue,
        FieldPath::root().key("maxConcurrentRequests"),
        format!("{number} is not a number of copies"),
        format!(
            "give a whole number from 1 to {MOST}; to mirror nothing, set `percentage.value` to 0"
        ),
    );
    None
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::super::read;
    use crate::diag::Report;
    use crate::dialect::fixture::{found, nowhere};
    use crate::model::Limits;

    fn limits(key: &str, value: Value) -> Result<Limits, Vec<String>> {
        let mut config =
            json!({"namespace": "n", "service": "s", "port": 1, "percentage": {"value": 1}});
        config[key] = value;
        let mut report = Report::default();
        let spec = read(&config, &nowhere(), "otherwise", &mut report);
        match spec {
            Some(spec) if report.iter().next().is_none() => Ok(spec.terms.limits),
            _ => Err(found(&report)),
        }
    }

    #[test]
    fn what_is_not_given_is_small() {
        assert_eq!(limits("timeout", Value::Null), Ok(Limits::default()));
    }

    #[test]
    fn a_limit_is_a_time_or_a_number() {
        let timeout = |ms| Limits {
            duration: Duration::from_millis(ms),
            ..Limits::default()
        };
        assert_eq!(limits("timeout", json!("500ms")), Ok(timeout(500)));
        assert_eq!(limits("timeout", json!("5m")), Ok(timeout(300_000)));
        let concurrent = |concurrent| Limits {
            concurrent,
            ..Limits::default()
        };
        assert_eq!(
            limits("maxConcurrentRequests", json!(10_000)),
            Ok(concurrent(10_000))
        );
        for (key, values) in [
            (
                "timeout",
                vec![json!(5), json!("5"), json!("0s"), json!("6m")],
            ),
            (
                "maxConcurrentRequests",
                vec![json!(0), json!(10_001), json!(-1), json!("8"), json!(1.5)],
            ),
        ] {
            for value in values {
                let expected = vec![format!("BadConfigValue spec.config.{key}")];
                assert_eq!(limits(key, value.clone()), Err(expected), "{value}");
            }
        }
    }
}
