//! What copies may use: `timeout`, `maxConcurrentRequests`, `maxBodyBytes`.

use std::time::Duration;

use super::decode::Reader;
use crate::api::core::IntOrString;
use crate::api::duration;
use crate::api::quantity;
use crate::diag::{Code, FieldPath};
use crate::model::Limits;

/// A copy that may take longer would be a load of its own.
const LONGEST: Duration = Duration::from_secs(300);
/// As many copies at once would be the load of another service.
const MOST: u32 = 10_000;
/// A shadow that does not read makes a sidecar hold what is copied.
const LARGEST_BODY: u32 = 16 << 20;
/// Bytes that all copies of one mirror together may make a sidecar hold.
const MOST_BYTES: u64 = 1 << 30;
/// Bytes that a copy may make a sidecar hold however small the bodies are that are copied: a gRPC call is copied as it comes,
/// and more may come than is known beforehand.
const SMALLEST_BODY: u32 = 1 << 20;

/// Reads them; what is wrong is reported, and counts as absent.
pub(super) fn read(reader: &mut Reader<'_>) -> Limits {
    let default = Limits::default();
    let limits = Limits {
        duration: timeout(reader).unwrap_or(default.duration),
        concurrent: concurrent(reader).unwrap_or(default.concurrent),
        body: body(reader).unwrap_or(default.body),
    };
    check_memory(&limits, reader);
    limits
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

fn body(reader: &mut Reader<'_>) -> Option<u32> {
    let key = "maxBodyBytes";
    let given: IntOrString = reader.optional(key)?;
    let (text, bytes) = match given {
        IntOrString::Int(number) => (number.to_string(), u64::try_from(number).ok()),
        IntOrString::String(text) => (format!("{text:?}"), quantity::parse(&text)),
    };
    let bytes = bytes.and_then(|bytes| u32::try_from(bytes).ok());
    let bytes = bytes.filter(|bytes| *bytes <= LARGEST_BODY);
    if bytes.is_none() {
        reader.error(
            Code::BadConfigValue,
            FieldPath::root().key(key),
            format!("{text} is not the size of a body that can be copied"),
            "give a number of bytes, such as 65536, 64Ki or 1Mi, from 0 to 16Mi".to_owned(),
        );
    }
    bytes
}

/// A sidecar that runs out of memory takes its application with it.
fn check_memory(limits: &Limits, reader: &mut Reader<'_>) {
    let each = match limits.body {
        0 => 0,
        body => body.max(SMALLEST_BODY),
    };
    let bytes = u64::from(limits.concurrent) * u64::from(each);
    if bytes <= MOST_BYTES {
        return;
    }
    let given = ["maxBodyBytes", "maxConcurrentRequests"];
    let key = given
        .into_iter()
        .find(|key| reader.apart.contains_key(*key));
    let message = format!(
        "{} copies with up to {} bytes each are more than a sidecar can hold for a shadow that does not read",
        limits.concurrent, each
    );
    reader.error(
        Code::BadConfigValue,
        key.map_or_else(FieldPath::root, |key| FieldPath::root().key(key)),
        message,
        "let `maxBodyBytes`, or 1Mi if it is less but not 0, times `maxConcurrentRequests` be 1Gi at most"
            .to_owned(),
    );
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
        assert_eq!(limits("timeout", json!("5s")), Ok(Limits::default()));
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
            limits("maxConcurrentRequests", json!(1024)),
            Ok(concurrent(1024))
        );
        let body = |body| Limits {
            body,
            ..Limits::default()
        };
        for (value, bytes) in [
            (json!(0), 0),
            (json!("0"), 0),
            (json!("64Ki"), 65_536),
            (json!(65_536), 65_536),
            (json!("16Mi"), 16 << 20),
        ] {
            assert_eq!(limits("maxBodyBytes", value), Ok(body(bytes)));
        }
        for (key, values) in [
            (
                "timeout",
                vec![json!(5), json!("5"), json!("0s"), json!("6m")],
            ),
            (
                "maxConcurrentRequests",
                vec![json!(0), json!(10_001), json!(-1), json!("8"), json!(1.5)],
            ),
            (
                "maxBodyBytes",
                vec![
                    json!("17Mi"),
                    json!(-1),
                    json!(1.5),
                    json!("many"),
                    json!(u64::MAX),
                    json!(["1Mi"]),
                ],
            ),
            // Times 1 MiB.
            ("maxConcurrentRequests", vec![json!(1025)]),
        ] {
            for value in values {
                let expected = vec![format!("BadConfigValue spec.config.{key}")];
                assert_eq!(limits(key, value.clone()), Err(expected), "{value}");
            }
        }
    }

    #[test]
    fn small_bodies_do_not_make_room_for_more_copies_and_no_bodies_do() {
        for (body, fits) in [("64Ki", false), ("0", true)] {
            let mut config =
                json!({"namespace": "n", "service": "s", "port": 1, "percentage": {"value": 1}});
            config["maxBodyBytes"] = json!(body);
            config["maxConcurrentRequests"] = json!(10_000);
            let spec = read(&config, &nowhere(), "otherwise", &mut Report::default());
            assert_eq!(spec.is_some(), fits, "{body}");
        }
    }
}
