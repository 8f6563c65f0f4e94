//! How many copies may fail, and how many there may be: `budget`, `maxRequestsPerSecond`.

use std::num::NonZeroU32;
use std::time::Duration;

use super::decode::Reader;
use super::is_not;
use crate::api::duration;
use crate::api::mirror_config::BudgetConfig;
use crate::diag::{Code, FieldPath};
use crate::model::{Budget, Fraction};

/// Over how long it is looked at if nothing is said.
const WINDOW: Duration = Duration::from_secs(30);
/// Sidecars report once a second at most.
const SHORTEST: Duration = Duration::from_secs(5);
/// What was longer ago says little about now.
const LONGEST: Duration = Duration::from_secs(3_600);
/// How many copies it takes if nothing is said.
const REQUESTS: u64 = 20;

/// Reads it; what is wrong is reported, and counts as absent. `timeout` is how long a copy may take.
pub(super) fn read(reader: &mut Reader<'_>, timeout: Duration) -> Option<Budget> {
    let config: BudgetConfig = reader.optional("budget")?;
    let path = FieldPath::root().key("budget");
    let asks_for_time = config.max_slow.is_some() || config.slow_after.is_some();
    let failures = match (config.max_failures, asks_for_time) {
        (None, true) => Some(Fraction::ONE),
        (number, _) => share(number, path.clone().key("maxFailures"), "fail", reader),
    };
    let slow = asks_for_time.then(|| {
        let most = path.clone().key("maxSlow");
        let most = share(config.max_slow, most, "be slow", reader);
        let after = path.clone().key("slowAfter");
        most.zip(slow_after(
            config.slow_after.as_deref(),
            timeout,
            after,
            reader,
        ))
    });
    let text = config.window.as_deref();
    let window = text.map_or(Some(WINDOW), duration::parse);
    let window = window.filter(|window| (SHORTEST..=LONGEST).contains(window));
    if window.is_none() {
        reader.error(
            Code::BadConfigValue,
            path.key("window"),
            format!(
                "{:?} is not a time over which failures count",
                text.unwrap_or_default()
            ),
            "give a whole number of s, m or h, from 5s to 1h".to_owned(),
        );
    }
    Some(Budget {
        max_failures: failures?,
        max_slow: slow.flatten(),
        window: window?,
        min_requests: least(config.min_requests),
    })
}

/// With fewer copies than this nothing is said of them.
pub(super) fn least(given: Option<u32>) -> u64 {
    given.map_or(REQUESTS, u64::from).max(1)
}

/// A share of copies that may do something that they had better not.
pub(super) fn share(
    number: Option<f64>,
    path: FieldPath,
    what: &str,
    reader: &mut Reader<'_>,
) -> Option<Fraction> {
    let fits = number.filter(|number| (0.0..1.0).contains(number));
    if fits.is_none() {
        let given = number.map(|number| number.to_string());
        reader.error(
            Code::BadConfigValue,
            path,
            is_not(given, &format!("a share of copies that may {what}")),
            "give a fraction from 0 to below 1: 0.05 is one copy in twenty".to_owned(),
        );
    }
    // Between 0 and a million, so it fits.
    Fraction::from_millionths((fits? * 1e6).round() as u32)
}

/// From when on a copy is slow. One that takes as long as it may is none that anybody sees the answer of.
fn slow_after(
    text: Option<&str>,
    timeout: Duration,
    path: FieldPath,
    reader: &mut Reader<'_>,
) -> Option<Duration> {
    let after = text.and_then(duration::parse);
    let after = after.filter(|after| !after.is_zero() && *after < timeout);
    if after.is_none() {
        let given = text.map(|text| format!("{text:?}"));
        reader.error(
            Code::BadConfigValue,
            path,
            is_not(given, "a time after which a copy is slow"),
            format!(
                "give a whole number of ms or s, less than the {timeout:?} that a copy may take (`timeout`)"
            ),
        );
    }
    after
}

/// Reads how many copies there may be in a second; what is wrong is reported, and counts as absent.
pub(super) fn rate(reader: &mut Reader<'_>) -> Option<NonZeroU32> {
    let number: u32 = reader.optional("maxRequestsPerSecond")?;
    let rate = NonZeroU32::new(number);
    if rate.is_none() {
        reader.error(
            Code::BadConfigValue,
            FieldPath::root().key("maxRequestsPerSecond"),
            "0 copies a second are none".to_owned(),
            "give a whole number above 0; to mirror nothing, set `percentage.value` to 0"
                .to_owned(),
        );
    }
    rate
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::super::read;
    use crate::diag::Report;
    use crate::dialect::fixture::{found, nowhere};
    use crate::model::Budget;

    fn budget(budget: Value) -> Result<Option<Budget>, Vec<String>> {
        let config = json!({
            "namespace": "n", "service": "s", "port": 1, "percentage": {"value": 1}, "budget": budget,
        });
        let mut report = Report::default();
        match read(&config, &nowhere(), "otherwise", &mut report) {
            Some(spec) => Ok(spec.budget),
            None => Err(found(&report)),
        }
    }

    #[test]
    fn only_the_share_of_failures_has_to_be_given() {
        let read = budget(json!({"maxFailures": 0.05})).unwrap().unwrap();
        assert_eq!(read.max_failures.to_string(), "5%");
        assert_eq!(
            (read.window, read.min_requests),
            (Duration::from_secs(30), 20)
        );
        let given = json!({"maxFailures": 0, "window": "2m", "minRequests": 5});
        let read = budget(given).unwrap().unwrap();
        assert_eq!(
            (read.window, read.min_requests),
            (Duration::from_secs(120), 5)
        );
    }

    #[test]
    fn copies_may_be_asked_to_be_quick() {
        let slow = |given| {
            let read = budget(given).unwrap().unwrap();
            let slow = read.max_slow.map(|(most, after)| (most.to_string(), after));
            (read.max_failures.to_string(), slow)
        };
        let after = Duration::from_millis(300);
        let alone = json!({"maxSlow": 0.1, "slowAfter": "300ms"});
        assert_eq!(
            slow(alone),
            ("100%".to_owned(), Some(("10%".to_owned(), after)))
        );
        let both = json!({"maxFailures": 0.05, "maxSlow": 0, "slowAfter": "300ms"});
        assert_eq!(
            slow(both),
            ("5%".to_owned(), Some(("0%".to_owned(), after)))
        );
    }

    #[test]
    fn what_means_nothing_is_reported_where_it_stands() {
        for (given, key) in [
            (json!({"maxSlow": 0.1}), ".slowAfter"),
            (json!({"slowAfter": "1s"}), ".maxSlow"),
            (json!({"maxSlow": 1, "slowAfter": "1s"}), ".maxSlow"),
            (json!({"maxSlow": 0.1, "slowAfter": "0s"}), ".slowAfter"),
            (json!({"maxSlow": 0.1, "slowAfter": "soon"}), ".slowAfter"),
            // As long as a copy may take, if nothing else is said.
            (json!({"maxSlow": 0.1, "slowAfter": "5s"}), ".slowAfter"),
            (json!({}), ".maxFailures"),
            (json!({"maxFailures": 1}), ".maxFailures"),
            (json!({"maxFailures": -0.1}), ".maxFailures"),
            (json!({"maxFailures": "5%"}), ".maxFailures"),
            (json!({"maxFailures": 0.1, "window": "1s"}), ".window"),
            (json!({"maxFailures": 0.1, "window": "2h"}), ".window"),
            (json!({"maxFailures": 0.1, "window": "soon"}), ".window"),
            (
                json!({"maxFailures": 0.1, "minRequests": -1}),
                ".minRequests",
            ),
            (json!([]), ""),
        ] {
            let expected = format!("BadConfigValue spec.config.budget{key}");
            assert_eq!(budget(given.clone()), Err(vec![expected]), "{given}");
        }
        let unknown = json!({"maxFailures": 0.1, "maxfailures": 0.1});
        let expected = "UnknownConfigKey spec.config.budget.maxfailures";
        assert_eq!(budget(unknown), Err(vec![expected.to_owned()]));
    }

    #[test]
    fn a_cap_is_a_number_of_copies() {
        let rate = |rate: Value| {
            let config = json!({
                "namespace": "n", "service": "s", "port": 1, "percentage": {"value": 1}, "maxRequestsPerSecond": rate,
            });
            let mut report = Report::default();
            let spec = read(&config, &nowhere(), "otherwise", &mut report);
            (spec.map(|spec| spec.rate.map(u32::from)), found(&report))
        };
        assert_eq!(rate(json!(1)), (Some(Some(1)), vec![]));
        for given in [
            json!(0),
            json!(-1),
            json!(0.5),
            json!("100"),
            json!(5_000_000_000_u64),
        ] {
            let expected = vec!["BadConfigValue spec.config.maxRequestsPerSecond".to_owned()];
            assert_eq!(rate(given.clone()), (None, expected), "{given}");
        }
    }
}
