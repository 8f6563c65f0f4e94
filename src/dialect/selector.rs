//! Label selectors, as Kubernetes evaluates them.

use std::collections::BTreeMap;

use crate::api::meta::has_all;
use crate::api::meta::{LabelSelector, Requirement};
use crate::diag::{Code, Diagnostic, FieldPath, Origin, Report};

/// A selector that can be evaluated. One without requirements matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    labels: BTreeMap<String, String>,
    tests: Vec<(String, Test)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    DoesNotExist,
}

impl Selector {
    /// Reads the selector at `path`; `None`, with every reason reported, if it cannot be evaluated.
    pub fn read(
        selector: &LabelSelector,
        path: &FieldPath,
        origin: &Origin,
        report: &mut Report,
    ) -> Option<Self> {
        let mut sound = true;
        let mut tests = Vec::with_capacity(selector.match_expressions.len());
        for (index, requirement) in selector.match_expressions.iter().enumerate() {
            match test(requirement) {
                Ok(test) => tests.push((requirement.key.clone(), test)),
                Err(bad) => {
                    sound = false;
                    let path = path
                        .clone()
                        .key("matchExpressions")
                        .index(index)
                        .key(bad.field);
                    report.push(
                        Diagnostic::new(Code::BadSelector, origin, path, bad.message)
                            .effect(
                                "the chain matches nothing, so nothing is mirrored through it; \
                                 primary traffic is not affected",
                            )
                            .help(bad.help),
                    );
                }
            }
        }
        sound.then(|| Self {
            labels: selector.match_labels.clone(),
            tests,
        })
    }

    /// Whether all requirements hold.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        has_all(labels, &self.labels)
            && self.tests.iter().all(|(key, test)| {
                let value = labels.get(key);
                match test {
                    Test::In(values) => value.is_some_and(|value| values.contains(value)),
                    // A label that is absent is not in any set.
                    Test::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
                    Test::Exists => value.is_some(),
                    Test::DoesNotExist => value.is_none(),
                }
            })
    }

    /// A label that everything selected must have, to find selectors by labels instead of trying each.
    pub(crate) fn required_label(&self) -> Option<(&str, &str)> {
        let plain = self.labels.iter().next();
        let plain = plain.map(|(key, value)| (key.as_str(), value.as_str()));
        plain.or_else(|| {
            self.tests.iter().find_map(|(key, test)| match test {
                Test::In(values) => match values.as_slice() {
                    [value] => Some((key.as_str(), value.as_str())),
                    _ => None,
                },
                _ => None,
            })
        })
    }

    /// Whether the outcome depends on a label other than `known`.
    pub(crate) fn asks_beyond(&self, known: &str) -> bool {
        let mut keys = self
            .labels
            .keys()
            .chain(self.tests.iter().map(|(key, _)| key));
        keys.any(|key| key != known)
    }
}

struct Bad {
    field: &'static str,
    message: String,
    help: &'static str,
}

/// What a requirement asks (the validation of Kubernetes' `LabelSelectorAsSelector`).
fn test(requirement: &Requirement) -> Result<Test, Bad> {
    let Requirement {
        key,
        operator,
        values,
    } = requirement;
    let bad_values = |message: String, help| {
        Err(Bad {
            field: "values",
            message,
            help,
        })
    };
    match (operator.as_str(), values.is_empty()) {
        ("In", false) => Ok(Test::In(values.clone())),
        ("NotIn", false) => Ok(Test::NotIn(values.clone())),
        ("Exists", true) => Ok(Test::Exists),
        ("DoesNotExist", true) => Ok(Test::DoesNotExist),
        ("In" | "NotIn", true) => bad_values(
            format!("`{operator}` on the label `{key}` has no values"),
            "name the values, or use Exists or DoesNotExist",
        ),
        ("Exists" | "DoesNotExist", false) => bad_values(
            format!("`{operator}` on the label `{key}` takes no values"),
            "leave out `values`, or use In or NotIn",
        ),
        _ => Err(Bad {
            field: "operator",
            message: format!("`{operator}` is not an operator"),
            help: "use In, NotIn, Exists or DoesNotExist, spelled like this",
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::Value;
    use serde_json::json;

    use super::Selector;
    use crate::diag::{Code, FieldPath, Report};
    use crate::dialect::fixture::nowhere;

    fn read(selector: Value) -> (Option<Selector>, Report) {
        let mut report = Report::default();
        let selector = serde_json::from_value(selector).unwrap();
        let path = FieldPath::of("spec.selectors.podSelector");
        let read = Selector::read(&selector, &path, &nowhere(), &mut report);
        (read, report)
    }

    #[test]
    fn requirements_are_evaluated_as_kubernetes_does() {
        let expression = |operator: &str, values: &[&str]| json!({"matchExpressions": [{"key": "app", "operator": operator, "values": values}]});
        for (selector, curl, absent) in [
            (json!({}), true, true),
            (json!({"matchLabels": {"app": "curl"}}), true, false),
            (json!({"matchLabels": {"app": "web"}}), false, false),
            (
                json!({"matchLabels": {"app": "curl", "tier": "a"}}),
                false,
                false,
            ),
            (expression("In", &["curl", "web"]), true, false),
            (expression("NotIn", &["curl"]), false, true),
            (expression("Exists", &[]), true, false),
            (expression("DoesNotExist", &[]), false, true),
        ] {
            let (read, report) = read(selector.clone());
            let read = read.unwrap();
            assert!(report.is_empty());
            let labels = BTreeMap::from([("app".to_owned(), "curl".to_owned())]);
            assert_eq!(read.matches(&labels), curl, "{selector}");
            assert_eq!(read.matches(&BTreeMap::new()), absent, "{selector}");
        }
    }

    #[test]
    fn a_selector_that_cannot_be_evaluated_says_where() {
        for (operator, values, path) in [
            ("in", vec!["a"], "operator"),
            ("In", vec![], "values"),
            ("NotIn", vec![], "values"),
            ("Exists", vec!["a"], "values"),
            ("DoesNotExist", vec!["a"], "values"),
        ] {
            let (read, report) = read(
                json!({"matchExpressions": [{"key": "app", "operator": operator, "values": values}]}),
            );
            assert_eq!(read, None);
            let diagnostic = report.iter().next().unwrap();
            assert_eq!(diagnostic.code, Code::BadSelector);
            let expected = format!("spec.selectors.podSelector.matchExpressions[0].{path}");
            assert_eq!(diagnostic.path.to_string(), expected);
        }
    }
}
