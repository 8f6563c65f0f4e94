//! Times as people write them: `500ms`, `5s`, `2m`, `1h`.

use std::time::Duration;

/// A whole number and its unit: ms, s, m or h. `None` if it is neither, or more than a machine can count.
pub fn parse(text: &str) -> Option<Duration> {
    let units = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
    units.into_iter().find_map(|(unit, milliseconds)| {
        let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
        number.checked_mul(milliseconds).map(Duration::from_millis)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_unit() {
        for (text, milliseconds) in [
            ("500ms", Some(500)),
            ("5s", Some(5_000)),
            ("2m", Some(120_000)),
            ("61m", Some(3_660_000)),
            ("1h", Some(3_600_000)),
            ("0s", Some(0)),
            ("5", None),
            ("s", None),
            ("-1s", None),
            ("1.5s", None),
            ("99999999999999999999s", None),
            ("9999999999999999999h", None),
        ] {
            assert_eq!(
                parse(text),
                milliseconds.map(Duration::from_millis),
                "{text}"
            );
        }
    }
}
