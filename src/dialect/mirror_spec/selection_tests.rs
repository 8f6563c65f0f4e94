use serde_json::{Value, json};

use super::super::read;
use crate::diag::Report;
use crate::dialect::fixture::{found, nowhere};
use crate::model::{Field, Selection, Text};

fn selection(key: &str, value: Value) -> Result<Selection, Vec<String>> {
    let mut config =
        json!({"namespace": "n", "service": "s", "port": 1, "percentage": {"value": 1}});
    config[key] = value;
    let mut report = Report::default();
    let spec = read(&config, &nowhere(), "otherwise", &mut report);
    match spec {
        Some(spec) if report.iter().next().is_none() => Ok(spec.terms.selection.clone()),
        _ => Err(found(&report)),
    }
}

fn header(name: &str, value: Option<Text>, invert: bool) -> Field {
    Field {
        name: name.to_owned(),
        value,
        invert,
    }
}

#[test]
fn methods_are_a_word_or_a_list() {
    let of = |methods: &[&str]| {
        Ok(Selection {
            methods: methods.iter().map(|method| (*method).to_owned()).collect(),
            ..Selection::default()
        })
    };
    let safe = of(&["GET", "HEAD", "OPTIONS", "TRACE"]);
    assert_eq!(selection("methods", json!("safe")), safe);
    let list = json!(["POST", "GET", "POST"]);
    assert_eq!(selection("methods", list), of(&["GET", "POST"]));
    for (value, place) in [
        (json!("GET"), "methods"),
        (json!([]), "methods"),
        (json!(7), "methods"),
        (json!({"GET": true}), "methods"),
        (json!(["GET", "get"]), "methods[1]"),
        (json!([":path"]), "methods[0]"),
        (json!([1]), "methods[0]"),
    ] {
        let expected = vec![format!("BadConfigValue spec.config.{place}")];
        assert_eq!(
            selection("methods", value.clone()),
            Err(expected),
            "{value}"
        );
    }
}

#[test]
fn all_conditions_of_a_match_are_read() {
    let read = selection(
        "match",
        json!({
            "path": {"regex": "/a.*"},
            "headers": [
                {"name": "X-B", "prefix": "p"},
                {"name": "x-a", "present": false},
                {"name": "x-c", "exact": "1", "invert": true},
            ],
            "queryParams": [{"name": "q", "present": true}, {"name": "p", "exact": "1"}],
        }),
    );
    let expected = Selection {
        methods: Vec::new(),
        path: Some(Text::Regex(r"/a(?:[^\x0a\?])*".to_owned())),
        headers: vec![
            header("x-a", None, true),
            header("x-b", Some(Text::Prefix("p".to_owned())), false),
            header("x-c", Some(Text::Exact("1".to_owned())), true),
        ],
        query: vec![
            header("p", Some(Text::Exact("1".to_owned())), false),
            header("q", None, false),
        ],
    };
    assert_eq!(read, Ok(expected));
}

#[test]
fn what_means_nothing_is_told_with_its_place() {
    for (value, places) in [
        (json!({"path": {}}), vec!["path"]),
        (
            json!({"path": {"exact": "/a", "prefix": "/b"}}),
            vec!["path"],
        ),
        (json!({"path": {"exact": "a"}}), vec!["path.exact"]),
        (json!({"path": {"prefix": "/a?b"}}), vec!["path.prefix"]),
        (json!({"path": {"regex": r"/a\?b"}}), vec!["path.regex"]),
        (
            json!({"headers": [{"exact": "1"}]}),
            vec!["headers[0].name"],
        ),
        (json!({"headers": [{"name": "x"}]}), vec!["headers[0]"]),
        (
            json!({"headers": [{"name": "x", "exact": "1"}, {"name": "x y", "regex": "("}]}),
            vec!["headers[1].name", "headers[1].regex"],
        ),
        (
            json!({"headers": [{"name": "Host", "exact": "a"}]}),
            vec!["headers[0].name"],
        ),
        (
            json!({"headers": [{"name": ":method", "exact": "GET"}]}),
            vec!["headers[0].name"],
        ),
        (
            json!({"headers": [{"name": "x", "exact": ""}]}),
            vec!["headers[0].exact"],
        ),
        (
            json!({"headers": [{"name": "x", "exact": "a\nb"}]}),
            vec!["headers[0].exact"],
        ),
        (
            json!({"queryParams": [{"name": "a&b", "exact": "1"}]}),
            vec!["queryParams[0].name"],
        ),
        (
            json!({"queryParams": [{"name": "a", "exact": "a b"}]}),
            vec!["queryParams[0].exact"],
        ),
        (
            json!({"queryParams": [{"name": "a", "present": false}]}),
            vec!["queryParams[0].present"],
        ),
    ] {
        let expected: Vec<_> = places
            .iter()
            .map(|place| format!("BadConfigValue spec.config.match.{place}"))
            .collect();
        assert_eq!(selection("match", value.clone()), Err(expected), "{value}");
    }
    let unknown = json!({"headers": [{"name": "x", "exactly": "1", "present": true}]});
    assert_eq!(
        selection("match", unknown),
        Err(vec![
            "UnknownConfigKey spec.config.match.headers[0].exactly".to_owned()
        ])
    );
}

#[test]
fn conditions_that_exclude_each_other_are_told() {
    let exact = |text: &str| json!({"name": "x", "exact": text});
    let present = |present: bool| json!({"name": "X", "present": present});
    let not = json!({"name": "x", "exact": "b", "invert": true});
    let other = json!({"name": "y", "exact": "b"});
    for (conditions, told) in [
        (json!([exact("a"), exact("b")]), true),
        (json!([exact("a"), present(false)]), true),
        (json!([present(true), present(false)]), true),
        (json!([exact("a"), exact("a")]), false),
        (json!([exact("a"), present(true)]), false),
        (json!([exact("a"), not]), false),
        (json!([exact("a"), other]), false),
    ] {
        let read = selection("match", json!({"headers": conditions}));
        let expected = vec!["NeverMet spec.config.match.headers".to_owned()];
        assert_eq!(read.err(), told.then_some(expected), "{conditions}");
    }
}
