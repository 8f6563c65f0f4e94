//! What was said about the configuration, so that only news goes to the log.

use std::collections::HashMap;

use tracing::field::display;
use tracing::{error, info, warn};

use crate::diag::Diagnostic;
use crate::diag::Severity;

/// What was said last.
#[derive(Debug, Default)]
pub(super) struct Notices {
    said: HashMap<String, Diagnostic>,
}

impl Notices {
    /// Logs what was not so before, and what is so no longer.
    pub(super) fn say<'d>(&mut self, now: impl Iterator<Item = &'d Diagnostic> + Clone) {
        let said = &self.said;
        for diagnostic in now
            .clone()
            .filter(|one| !said.contains_key(&one.to_string()))
        {
            log(diagnostic);
        }
        let now: HashMap<_, _> = now.map(|one| (one.to_string(), one.clone())).collect();
        for (_, Diagnostic { code, message, .. }) in
            said.iter().filter(|(text, _)| !now.contains_key(*text))
        {
            info!(code = code.as_str(), "no longer so: {message}");
        }
        self.said = now;
    }
}

fn log(diagnostic: &Diagnostic) {
    let Diagnostic {
        code,
        message,
        effect,
        help,
        object,
        path,
        place,
    } = diagnostic;
    let code = code.as_str();
    let (place, object) = (place.as_ref().map(display), object.as_ref().map(display));
    // What is empty is not said.
    let path = Some(path)
        .filter(|path| !path.segments().is_empty())
        .map(display);
    let [effect, help] =
        [effect, help].map(|text| Some(text.as_str()).filter(|text| !text.is_empty()));
    match diagnostic.severity() {
        Severity::Error => error!(code, place, object, path, effect, help, "{message}"),
        Severity::Warning => warn!(code, place, object, path, effect, help, "{message}"),
        Severity::Info => info!(code, place, object, path, effect, help, "{message}"),
    }
}
