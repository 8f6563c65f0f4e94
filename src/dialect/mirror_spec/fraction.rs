//! `percentage.value`: a fraction of 1 in spite of its name, as in osm-edge.

use serde_json::Value;

use crate::diag::{Code, Diagnostic, FieldPath, Origin, Report};
use crate::model::Fraction;

/// One in a million, the smallest share above nothing.
const SMALLEST: f64 = 1e-6;

/// The share that `value` stands for; `None`, and an error whose effect is `if_invalid`, if it stands for none.
///
/// Absent is nothing: osm-edge's script mirrors nothing then, and a share that was forgotten must not become everything.
pub(crate) fn read(
    value: Option<&Value>,
    origin: &Origin,
    if_invalid: &str,
    report: &mut Report,
) -> Option<Fraction> {
    let mut say = |code, message: String, effect: &str, help: String| {
        let path = FieldPath::of("spec.config.percentage.value");
        report.push(
            Diagnostic::new(code, origin, path, message)
                .effect(effect)
                .help(help),
        );
    };
    let Some(value) = value else {
        say(
            Code::FractionAbsent,
            "no percentage is given".to_owned(),
            "nothing is mirrored, as in osm-edge; primary traffic is not affected",
            "set `percentage.value` to a fraction: 1 mirrors every request, 0.01 one in a hundred"
                .to_owned(),
        );
        return Some(Fraction::ZERO);
    };
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    let Some(number) = number.filter(|number: &f64| number.is_finite() && *number >= 0.0) else {
        say(
            Code::BadFraction,
            format!("the percentage {value} is not a number from 0 to 1"),
            if_invalid,
            help_for(value),
        );
        return None;
    };
    if value.is_string() {
        say(
            Code::FractionAsText,
            format!("the percentage {value} is written as text"),
            "it is read as the number",
            format!("write {number} without quotes"),
        );
    }
    if number > 1.0 {
        say(
            Code::FractionTooLarge,
            format!("the percentage {number} is above 1"),
            "every request is mirrored",
            format!(
                "it is a fraction, where 1 is every request: 50 is not 50 %{}",
                as_fraction(number)
            ),
        );
        return Some(Fraction::ONE);
    }
    if number > 0.0 && number < SMALLEST {
        say(
            Code::FractionTooSmall,
            format!("the percentage {number} is below one in a million"),
            "one request in a million is mirrored",
            "write 0 to mirror nothing, or 0.000001 or more".to_owned(),
        );
        return Some(Fraction::SMALLEST);
    }
    // Rounded and not truncated: 0.29 times a million is a little below 290,000. Between 0 and a million, so it fits.
    let millionths = (number * 1e6).round().min(1e6) as u32;
    Fraction::from_millionths(millionths)
}

/// How to write what was probably meant.
fn help_for(value: &Value) -> String {
    let percent = value
        .as_str()
        .and_then(|text| text.trim().strip_suffix('%'))
        .and_then(|text| text.trim().parse::<f64>().ok());
    match percent {
        Some(percent) if (0.0..=100.0).contains(&percent) => {
            format!("it is a fraction without a unit{}", as_fraction(percent))
        }
        _ => "write a fraction: 1 is every request, 0.5 every second one, 0 none".to_owned(),
    }
}

/// `; write 0.5 for 50 %`, where that may be what was meant.
fn as_fraction(percent: f64) -> String {
    if percent <= 100.0 {
        // As exact as a share is: 1.0000001 % is not 0.010000001000000001.
        let share = (percent * 1e4).round() / 1e6;
        format!("; write {share} for {percent} %")
    } else {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use serde_json::json;

    use super::read;
    use crate::diag::{Code, Report};
    use crate::dialect::fixture::nowhere;

    fn codes_and_millionths(value: Option<Value>) -> (Option<u32>, Vec<Code>, Report) {
        let mut report = Report::default();
        let fraction = read(value.as_ref(), &nowhere(), "otherwise", &mut report);
        let codes = report.iter().map(|diagnostic| diagnostic.code).collect();
        (
            fraction.map(|fraction| fraction.millionths()),
            codes,
            report,
        )
    }

    #[test]
    fn every_way_to_write_a_share_means_what_it_should() {
        use Code::{
            BadFraction, FractionAbsent, FractionAsText, FractionTooLarge, FractionTooSmall,
        };
        for (value, millionths, codes) in [
            (None, Some(0), vec![FractionAbsent]),
            (Some(json!(0)), Some(0), vec![]),
            (Some(json!(-0.0)), Some(0), vec![]),
            (Some(json!(1)), Some(1_000_000), vec![]),
            (Some(json!(1.0)), Some(1_000_000), vec![]),
            (Some(json!(0.29)), Some(290_000), vec![]),
            (Some(json!(0.57)), Some(570_000), vec![]),
            (Some(json!(0.333_333_333)), Some(333_333), vec![]),
            (Some(json!(0.000_001)), Some(1), vec![]),
            (Some(json!(0.999_999_9)), Some(1_000_000), vec![]),
            (Some(json!(1e-7)), Some(1), vec![FractionTooSmall]),
            (Some(json!(50)), Some(1_000_000), vec![FractionTooLarge]),
            (
                Some(json!(u64::MAX)),
                Some(1_000_000),
                vec![FractionTooLarge],
            ),
            (Some(json!("0.5")), Some(500_000), vec![FractionAsText]),
            (
                Some(json!("50")),
                Some(1_000_000),
                vec![FractionAsText, FractionTooLarge],
            ),
            (Some(json!("50%")), None, vec![BadFraction]),
            (Some(json!("")), None, vec![BadFraction]),
            (Some(json!("nan")), None, vec![BadFraction]),
            (Some(json!("inf")), None, vec![BadFraction]),
            (Some(json!(-0.1)), None, vec![BadFraction]),
            (Some(json!(true)), None, vec![BadFraction]),
            (Some(json!([0.5])), None, vec![BadFraction]),
        ] {
            let (found, found_codes, _) = codes_and_millionths(value.clone());
            assert_eq!((found, found_codes), (millionths, codes), "{value:?}");
        }
    }

    #[test]
    fn every_millionth_survives() {
        for millionths in (0..=1_000_000_u32).step_by(37) {
            let value = json!(f64::from(millionths) / 1e6);
            assert_eq!(codes_and_millionths(Some(value)).0, Some(millionths));
        }
    }

    #[test]
    fn the_help_names_the_fraction_that_was_meant() {
        for (value, help) in [
            (json!(50), "write 0.5 for 50 %"),
            (json!(1.0000001), "write 0.01 for 1.0000001 %"),
            (json!("25 %"), "write 0.25 for 25 %"),
        ] {
            let (_, _, report) = codes_and_millionths(Some(value));
            let diagnostic = report.iter().next().unwrap();
            assert!(diagnostic.help.contains(help), "{}", diagnostic.help);
        }
    }
}
