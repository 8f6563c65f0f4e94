//! The text of a document → a JSON value, as `kubectl` reads it.

use serde_json::Value;

/// Deeper than any Kubernetes object. Decoding recurses, and this deep it fits into the two megabytes of a thread, even
/// without optimisation.
const MAX_DEPTH: usize = 64;
/// A dump of a large cluster has some millions of values.
const MAX_NODES: usize = 10_000_000;
/// More than anybody repeats by hand, and less than what would fill the memory.
const MAX_REPEATED: usize = 100_000;

/// A text that is not YAML, or not the part of YAML that has a meaning in JSON.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    /// What is wrong, in a few words.
    pub(super) message: String,
    /// Line within the document, from 1.
    pub(super) line: usize,
    /// Column in characters, from 1.
    pub(super) column: usize,
}

/// Reads one document. JSON is read as the YAML that it is.
///
/// Booleans and octal numbers are those of YAML 1.1, as in `kubectl`; dates stay text. Duplicate keys, anchors that
/// multiply beyond measure, and numbers that JSON does not have, are errors.
pub(super) fn parse(text: &str) -> Result<Value, SyntaxError> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            max_nodes: MAX_NODES,
            max_events: 2 * MAX_NODES,
            enforce_alias_anchor_ratio: false,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: MAX_REPEATED,
        },
        legacy_octal_numbers: true,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let (line, column) = error.location().map_or((1, 1), |at| {
            (
                usize::try_from(at.line()).unwrap_or(1).max(1),
                usize::try_from(at.column()).unwrap_or(1).max(1),
            )
        });
        let message = error.render_with_formatter(&serde_saphyr::UserMessageFormatter);
        SyntaxError {
            // The place is told apart from the message.
            message: match message.rsplit_once(" at line ") {
                Some((message, _)) => message.to_owned(),
                None => message,
            },
            line,
            column,
        }
    })
}

/// The column of a tab in the indentation of a line, both from 1: YAML takes none there, and the parser's message does
/// not say so. In JSON a tab is as good as a space.
pub(super) fn indenting_tab(text: &str, line: usize) -> Option<usize> {
    if text.trim_start().starts_with(['{', '[']) {
        return None;
    }
    let line = text.lines().nth(line.checked_sub(1)?)?;
    let mut indentation = line.chars().take_while(|letter| letter.is_whitespace());
    let before = indentation.position(|letter| letter == '\t')?;
    Some(before + 1)
}

/// Removes the keys whose value is null, for Kubernetes takes them as absent; except below `keep`, whose content is
/// not a Kubernetes API.
pub(super) fn without_nulls(value: &mut Value, keep: &[&str]) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            for (key, value) in fields {
                match keep {
                    [last] if last == key => {}
                    [first, rest @ ..] if first == key => without_nulls(value, rest),
                    _ => without_nulls(value, &[]),
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                without_nulls(item, &[]);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::indenting_tab;
    use super::parse;
    use super::without_nulls;

    #[test]
    fn a_tab_that_indents_is_found() {
        for (text, line, expected) in [
            ("a:\n \tb: 1\n", 2, Some(2)),
            ("a:\n  b: \t1\n", 2, None),
            ("{\n\t\"a\": }\n", 2, None),
            ("a:\n", 9, None),
            ("a:\n", 0, None),
        ] {
            assert_eq!(indenting_tab(text, line), expected, "{text:?}");
        }
    }

    #[test]
    fn scalars_are_those_of_kubectl() {
        for (text, expected) in [
            (
                "a: yes\nb: off\nc: 'yes'",
                json!({"a": true, "b": false, "c": "yes"}),
            ),
            (
                "a: 2024-01-01T00:00:00Z",
                json!({"a": "2024-01-01T00:00:00Z"}),
            ),
            (
                "a: 0755\nb: 0o17\nc: 0x1F",
                json!({"a": 493, "b": 15, "c": 31}),
            ),
            ("a: 1.0\nb: 10", json!({"a": 1.0, "b": 10})),
            ("1: a\ntrue: b", json!({"1": "a", "true": "b"})),
            ("a: ~\nb:", json!({"a": null, "b": null})),
            ("a: |\n  x\n  y\n", json!({"a": "x\ny\n"})),
            (
                "x: &x {b: 1}\nc:\n  <<: *x\n",
                json!({"x": {"b": 1}, "c": {"b": 1}}),
            ),
            ("{\"a\":\t\"\\u00e9\\/\"}", json!({"a": "é/"})),
            ("\u{feff}a: 1", json!({"a": 1})),
            ("---\n", json!(null)),
        ] {
            assert_eq!(parse(text), Ok(expected), "{text:?}");
        }
    }

    #[test]
    fn a_syntax_error_has_a_place_and_a_message_without_it() {
        for (text, place, message) in [
            (
                "a: 1\n b: 2\n",
                (2, 3),
                "mapping values are not allowed in this context",
            ),
            ("é: [ü, @]", (1, 8), "unexpected character: `@'"),
            (
                "a: 1\na: 2\n",
                (2, 1),
                "duplicate mapping key `a` is not allowed here",
            ),
            ("a: *x", (1, 4), "reference to unknown value"),
            ("a: .nan", (1, 4), "value `.nan` is not a finite number"),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!((error.line, error.column), place, "{text:?}");
            assert_eq!(error.message, message, "{text:?}");
        }
    }

    #[test]
    fn what_multiplies_or_nests_beyond_measure_is_an_error() {
        let mut bomb = "a0: &a0 x\n".to_owned();
        for level in 1..20 {
            let below = format!("*a{}, ", level - 1).repeat(9);
            bomb.push_str(&format!("a{level}: &a{level} [{below}]\n"));
        }
        assert!(parse(&bomb).is_err());
        let nested = |depth: usize| format!("{}1{}", "{a: ".repeat(depth), "}".repeat(depth));
        assert!(parse(&nested(60)).is_ok());
        assert!(parse(&nested(5000)).is_err());
        assert!(parse("a: &a [*a]").is_err());
    }

    #[test]
    fn nulls_are_absent_except_where_they_are_kept() {
        let mut value = json!({"a": null, "b": [{"c": null}, null], "spec": {"config": {"d": null}, "e": null}});
        without_nulls(&mut value, &["spec", "config"]);
        assert_eq!(
            value,
            json!({"b": [{}, null], "spec": {"config": {"d": null}}})
        );
    }
}
