//! Whether copies carry the caller's credentials, where the rule does not say.

use std::sync::Arc;

use crate::diag::{Code, Diagnostic, FieldPath, Report};
use crate::dialect::{MirrorRule, MirrorSpec};
use crate::model::{CopyPolicy, Credentials, Terms};

/// The terms of a rule's mirrors. A credential is for those whom the caller meant: what is in another namespace, or
/// no Service, is not given it, unless the rule says so. Without it, though, a shadow answers 401 to everything and nothing can be learned from it;
/// so within a namespace it is kept.
///
/// The mirrors of a rule share their clusters: one destination in another namespace decides for all.
pub(super) fn settle(rule: &MirrorRule<'_>, spec: &MirrorSpec, report: &mut Report) -> Arc<Terms> {
    let said = |credentials| {
        let copy = CopyPolicy {
            credentials,
            ..spec.terms.copy.clone()
        };
        Arc::new(Terms {
            copy,
            ..Terms::clone(&spec.terms)
        })
    };
    match spec.credentials {
        Some(Credentials::Keep) => Arc::clone(&spec.terms),
        Some(Credentials::Strip) => said(Credentials::Strip),
        None => {
            let target = &spec.target;
            let (key, where_it_is) = match target.service() {
                None => ("external", "is no Service".to_owned()),
                Some(service) => {
                    let mut foreign = rule.destinations.iter();
                    let foreign = foreign.find(|to| to.service.namespace != service.namespace);
                    let Some(foreign) = foreign else {
                        return Arc::clone(&spec.terms);
                    };
                    let how = format!("is in another namespace than `{}`", foreign.service);
                    ("namespace", how)
                }
            };
            let message = format!("copies are sent without credentials: `{target}` {where_it_is}");
            report.push(
                Diagnostic::new(
                    Code::CredentialsStripped,
                    rule.origin,
                    FieldPath::of("spec.config").key(key),
                    message,
                )
                .effect("they have no `authorization`, `proxy-authorization` and `cookie`; requests themselves keep them")
                .help("say `credentials: strip` or `credentials: keep` in spec.config"),
            );
            said(Credentials::Strip)
        }
    }
}
