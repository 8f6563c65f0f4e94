//! What there is to say of calls that were refused. Pure: what was refused is given.

use crate::diag::Code;
use crate::diag::Diagnostic;
use crate::diag::FieldPath;
use crate::diag::Report;
use crate::model::Findings;
use crate::source::Objects;

/// How many kinds of calls are named.
const NAMED: usize = 5;

/// Tells whoever asks for a quarantine what was refused by it.
pub fn refused(found: &Findings, objects: &Objects) -> Report {
    let mut report = Report::default();
    for (rule, refused) in &found.refused {
        let Some(config) = objects.plugin_configs.get(rule) else {
            continue;
        };
        let mut calls: Vec<_> = refused.calls.iter().collect();
        calls.sort_by_key(|(call, count)| (std::cmp::Reverse(**count), *call));
        let mut named: Vec<_> = calls
            .iter()
            .take(NAMED)
            .map(|(call, count)| format!("`{call}` ({})", at_least(**count)))
            .collect();
        if calls.len() > NAMED {
            named.push("others".to_owned());
        }
        let message = format!(
            "sidecars of the target's Pods refused {} of their calls: {}",
            at_least(refused.total),
            named.join(", ")
        );
        report.push(
            Diagnostic::new(
                Code::QuarantineRefused,
                &config.origin,
                FieldPath::of("spec.config").key("quarantine"),
                message,
            )
            .effect("they were answered with 403, or cut off; no live service saw them"),
        );
    }
    report
}

/// Small numbers are exact.
fn at_least(count: u64) -> String {
    match count {
        0..=2 => count.to_string(),
        _ => format!("{count} or more"),
    }
}
