//! Whether copies carry the caller's credentials, where the rule does not say.

use std::sync::Arc;

use crate::diag::{Code, Diagnostic, FieldPath, Report};
use crate::dialect::{MirrorRule, MirrorSpec, TargetRef};
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
            let mut help = "say `credentials: strip` or `credentials: keep` in spec.config";
            let (key, where_it_is) = match target.service() {
                None => match service_named(target) {
                    Some((namespace, service)) => {
                        help = "name the Service by `namespace`, `service` and `port` instead of `external`, or say `credentials`";
                        let how = format!(
                            "is a name of the Service `{namespace}/{service}`, and given as a host outside"
                        );
                        ("external", how)
                    }
                    None => ("external", "is no Service".to_owned()),
                },
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
                .help(help),
            );
            said(Credentials::Strip)
        }
    }
}

/// Namespace and name of the Service whose name in a cluster a host outside has.
fn service_named(target: &TargetRef) -> Option<(&str, &str)> {
    let TargetRef::External(external) = target else {
        return None;
    };
    let mut labels = external.host.splitn(4, '.');
    let (service, namespace) = (labels.next()?, labels.next()?);
    let is_svc = labels.next() == Some("svc");
    let is_whole = matches!(
        labels.next(),
        None | Some("cluster" | "cluster.local" | "cluster.local.")
    );
    (is_svc && is_whole).then_some((namespace, service))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::service_named;
    use crate::dialect::TargetRef;
    use crate::model::{External, Protocol};

    #[test]
    fn a_name_of_a_service_is_known_as_such() {
        for (host, expected) in [
            ("v2.pipy.svc", Some(("pipy", "v2"))),
            ("v2.pipy.svc.cluster.local", Some(("pipy", "v2"))),
            ("v2.pipy.svc.example", None),
            ("v2.pipy", None),
            ("shadow.example", None),
            ("10.0.0.1", None),
        ] {
            let target = TargetRef::External(Arc::new(External {
                host: host.to_owned(),
                port: 80.try_into().unwrap(),
                protocol: Protocol::Http1,
                tls: None,
            }));
            assert_eq!(service_named(&target), expected, "{host}");
        }
    }
}
