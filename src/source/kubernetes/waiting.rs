//! What is said while there is nothing to publish yet. Afterwards it is a part of what is published.

use crate::diag::Code;
use crate::diag::Diagnostic;

/// Why nothing is published, as it was said last.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    said: Vec<Diagnostic>,
}

impl Waiting {
    /// Says what was not so before, and that it is over.
    pub(super) fn say(&mut self, now: Vec<Diagnostic>) {
        for Diagnostic {
            code,
            message,
            help,
            ..
        } in now.iter().filter(|one| !self.said.contains(one))
        {
            let refused = *code == Code::KindRefused;
            let code = code.as_str();
            if refused {
                tracing::error!(code, help, "waiting for the Kubernetes API: {message}");
            } else {
                tracing::warn!(code, help, "waiting for the Kubernetes API: {message}");
            }
        }
        if now.is_empty() && !self.said.is_empty() {
            tracing::info!("the Kubernetes API answers");
        }
        self.said = now;
    }
}
