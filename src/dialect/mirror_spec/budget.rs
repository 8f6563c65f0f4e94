//! How many copies may fail, and how many there may be: `budget`, `maxRequestsPerSecond`.

use std::num::NonZeroU32;
use std::time::Duration;

use super::decode::Reader;
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

/// Reads it; what is wrong is reported, and counts as absent.
pub(super) fn read(reader: &mut Reader<'_>) -> Option<Budget> {
    let config: BudgetConfig = reader.optional("budget")?;
    let path = FieldPath::root().key("budget");
    let number = config.max_failures;
    let fits = number.filter(|number| (0.0..1.0).contains(number));
    if fits.is_none() {
        let given = number.map_or_else(|| "nothing".to_owned(), |number| number.to_string());
        reader.error(
            Code::BadConfigValue,
            path.clone().key("maxFailures"),
            format!("{given} is not a share of copies that may fail"),
            "give a fraction from 0 to below 1: 0.05 is one copy in twenty".to_owned(),
        );
    }
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
        // Between 0 and a million, so it fits.
        max_failures: Fraction::from_millionths((fits? * 1e6).round() as u32)?,
        window: window?,
        min_requests: config.min_requests.map_or(REQUESTS, u64::from).max(1),
    })
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
        assert_eq!(budget(Value::Null), Ok(None));
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
    fn what_means_nothing_is_reported_where_it_stands() {
        for (given, key) in [
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
        assert_eq!(rate(Value::Null), (Some(None), vec![]));
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
