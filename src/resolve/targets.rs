//! Where the copies go: the target of a mirror, looked up among the Services.

use std::sync::Arc;

use super::parts::Part;
use super::services::{Services, UsedPort, UsedService};
use crate::diag::{Code, Diagnostic, FieldPath, Report};
use crate::dialect::{MirrorRule, NOTHING_MIRRORED, PortRef, TargetRef};
use crate::model::{Backend, Subset, Target};

/// The target of a rule that has one; `None`, with the reason reported, if it cannot be mirrored to.
///
/// A target without endpoints is one: its endpoints come and go without anything else changing.
pub(super) fn find(
    rule: &MirrorRule<'_>,
    services: &Services<'_>,
    report: &mut Report,
) -> Option<Target> {
    let spec = rule.spec.as_ref()?;
    let mut say = |code, key: &str, message: String, effect: &str, help: String| {
        let path = FieldPath::of("spec.config").key(key);
        report.push(
            Diagnostic::new(code, rule.origin, path, message)
                .effect(effect)
                .help(help),
        );
    };
    let (target, wanted, subset, tls) = match &spec.target {
        TargetRef::External(external) => return Some(Target::External(Arc::clone(external))),
        TargetRef::Service {
            name,
            port,
            subset,
            tls,
        } => (name, port, subset, tls),
    };
    let Some(service) = services.get(target) else {
        let help = match services.meant_by(target, rule) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "add the Service, or name another".to_owned(),
        };
        let message = format!("the mirror target `{target}` does not exist");
        say(
            Code::TargetMissing,
            "service",
            message,
            NOTHING_MIRRORED,
            help,
        );
        return None;
    };
    let Some(found) = find_port(service, wanted) else {
        let ports: Vec<_> = service.ports.iter().map(ToString::to_string).collect();
        let help = match ports.as_slice() {
            [] => "the Service has no ports".to_owned(),
            ports => format!("the Service has {}", ports.join(", ")),
        };
        let message = format!("the mirror target `{target}` has no port {wanted}");
        say(
            Code::TargetPortMissing,
            "port",
            message,
            NOTHING_MIRRORED,
            help,
        );
        return None;
    };
    let port = found.port;
    if let Some(others) = found.indirectly {
        let choice = match others {
            0 => String::new(),
            others => format!("; so it is of {others} more, and this is the first"),
        };
        say(
            Code::TargetPortIndirect,
            "port",
            format!("{wanted} is not a port of `{target}` but the target port of {port}{choice}"),
            "requests are mirrored to that port of the Service",
            format!("write the Service's port, {port}"),
        );
    }
    let backend = match &port.backend {
        Ok(backend) => {
            if tls.is_some() && port.is_plain() {
                say(
                    Code::TargetPlain,
                    "tls",
                    format!(
                        "port {port} of the mirror target `{target}` says that it speaks HTTP without TLS"
                    ),
                    "copies are sent with TLS; if it does not take it, all are lost, and primary traffic is not affected",
                    "take `tls` out, or correct the port's name or `appProtocol` in the Service"
                        .to_owned(),
                );
            }
            Arc::clone(backend)
        }
        Err(reason) => match (port.within_tls(target), tls) {
            (Some(backend), Some(_)) => Arc::new(backend),
            (Some(_), None) => {
                let message = format!(
                    "port {port} of the mirror target `{target}` speaks TLS, and it is not said who vouches for it"
                );
                let help = "say `tls: {}` in spec.config if the sidecar's image knows the authority, or else `tls: {ca: …}`";
                let help = help.to_owned();
                say(Code::TargetTls, "port", message, NOTHING_MIRRORED, help);
                return None;
            }
            (None, _) => {
                let message =
                    format!("port {port} of the mirror target `{target}` is not HTTP: {reason}");
                let help =
                    "choose an HTTP port, or say `appProtocol: http` in the Service".to_owned();
                say(Code::TargetNotHttp, "port", message, NOTHING_MIRRORED, help);
                return None;
            }
        },
    };
    let backend = if subset.is_all() {
        if backend.endpoints.is_empty() {
            say(
                Code::TargetEmpty,
                "service",
                format!(
                    "the mirror target `{target}:{}` has no ready endpoints",
                    backend.port
                ),
                "copies are lost until it has some; primary traffic is not affected",
                port.help_if_empty(target),
            );
        }
        backend
    } else {
        let part = services.part(target, port, subset);
        for said in about_part(&part, &backend, subset, service) {
            say(said.0, "subset", said.1, said.2, said.3);
        }
        Arc::new(Backend {
            subset: subset.clone(),
            endpoints: part.ready,
            ..Backend::clone(&backend)
        })
    };
    Some(Target::Service {
        backend,
        tls: tls.clone(),
    })
}

/// A code, a message, an effect and a help.
type Said = (Code, String, &'static str, String);

/// What there is to say about the endpoints of a subset.
fn about_part(
    part: &Part,
    whole: &Backend,
    subset: &Subset,
    service: &UsedService<'_>,
) -> Vec<Said> {
    let target = format!("{}:{}", whole.service, whole.port);
    let mut said = Vec::new();
    if part.ready.is_empty() {
        let message = format!(
            "no ready endpoint of the mirror target `{target}` has the labels `{}`",
            subset.text()
        );
        said.push((
            Code::TargetEmpty,
            message,
            "copies are lost until one has them; primary traffic is not affected",
            part.help_if_empty(subset, service.selector()),
        ));
    }
    if part.unknown() > 0 {
        let message = format!(
            "the Pods of {} of the {} ready endpoints of `{target}` are not known",
            part.unknown(),
            part.of_all
        );
        said.push((
            Code::TargetUnlabelled,
            message,
            "they get no copies, as a subset is for Pods with its labels alone",
            part.help_if_unknown(),
        ));
    }
    said
}

struct Found<'s, 'a> {
    port: &'s UsedPort<'a>,
    /// How many more ports would fit, if it was found by its target port.
    indirectly: Option<usize>,
}

/// The port that is meant: the Service's own first, then by target port, which is what osm-edge compares with. HTTP
/// ports come before others of the same number, and those with TLS next.
fn find_port<'s, 'a>(service: &'s UsedService<'a>, wanted: &PortRef) -> Option<Found<'s, 'a>> {
    let first = |fits: &dyn Fn(&UsedPort<'a>) -> bool| {
        let mut fitting: Vec<_> = service.ports.iter().filter(|port| fits(port)).collect();
        fitting.sort_by_key(|port| (port.backend.is_err(), !port.is_within_tls()));
        fitting.first().map(|port| (*port, fitting.len() - 1))
    };
    let (own, target) = match wanted {
        PortRef::Number(number) => (
            first(&|port| port.has_number(*number)),
            first(&|port| port.has_target_number(*number)),
        ),
        PortRef::Name(name) => (
            first(&|port| port.has_name(name)),
            first(&|port| port.has_target_name(name)),
        ),
    };
    let own = own.map(|(port, _)| Found {
        port,
        indirectly: None,
    });
    own.or_else(|| {
        target.map(|(port, others)| Found {
            port,
            indirectly: Some(others),
        })
    })
}
