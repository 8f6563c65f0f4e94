//! Who mirrors which destination. A plugin mirrors a destination once: one rule holds it, the others are told.

use std::collections::BTreeMap;

use super::credentials;
use super::endpoints;
use super::services::{Services, UsedService};
use super::targets;
use crate::diag::{Code, Diagnostic, FieldPath, Origin, Report};
use crate::dialect::{MirrorRule, RuleDestination, Seniority};
use crate::model::{Mirror, Target};
use crate::name::Namespaced;

/// What the rules of one plugin come to, by destination.
pub(super) type PluginClaims<'a> = BTreeMap<&'a Namespaced, Claim<'a>>;

/// A destination that is held by a rule.
pub(super) struct Claim<'a> {
    /// The rule.
    pub(super) rule: &'a Namespaced,
    /// What is mirrored, if anything can be.
    pub(super) mirror: Option<Mirror>,
    /// Where the rule comes from.
    pub(super) origin: &'a Origin,
    /// The field that names the destination.
    pub(super) path: FieldPath,
    /// Which of several goes first.
    pub(super) seniority: Seniority<'a>,
    is_sound: bool,
}

/// Settles all claims, by plugin. The senior rule wins; one that makes no sense claims nothing, but keeps its
/// destination on the sidecars, so that mending it is a change of the mirror alone.
pub(super) fn settle<'a>(
    rules: &'a [MirrorRule<'a>],
    services: &Services<'_>,
    report: &mut Report,
) -> BTreeMap<&'a str, PluginClaims<'a>> {
    let mut by_seniority: Vec<_> = rules.iter().collect();
    by_seniority.sort_by_key(|rule| rule.seniority);
    let mut claims: BTreeMap<&str, PluginClaims<'_>> = BTreeMap::new();
    for rule in by_seniority {
        let target = targets::find(rule, services, report);
        let asked = target.zip(rule.spec.as_ref()).map(|(target, spec)| {
            let terms = credentials::settle(rule, spec, report);
            Mirror {
                terms,
                ..Mirror::new(rule.name.clone(), target, spec.fraction)
            }
        });
        let held = claims.entry(rule.plugin).or_default();
        for destination in &rule.destinations {
            let Some(service) = usable(rule, destination, services, report) else {
                continue;
            };
            let holder = held.get(&destination.service);
            match holder.filter(|holder| holder.is_sound || rule.spec.is_none()) {
                Some(holder) if rule.spec.is_some() => {
                    report.push(conflict(rule, destination, holder));
                }
                Some(_) => {}
                None => {
                    let mirror = mirror(rule, destination, service, asked.as_ref(), report);
                    about_ports(rule, destination, service, report);
                    let claim = Claim {
                        rule: rule.name,
                        origin: rule.origin,
                        path: destination.path(),
                        seniority: rule.seniority,
                        mirror,
                        is_sound: rule.spec.is_some(),
                    };
                    held.insert(&destination.service, claim);
                }
            }
        }
    }
    claims
}

/// The destination's Service; `None`, with the reason reported, if there is none to mirror the requests of.
fn usable<'s, 'a>(
    rule: &MirrorRule<'_>,
    destination: &RuleDestination,
    services: &'s Services<'a>,
    report: &mut Report,
) -> Option<&'s UsedService<'a>> {
    let name = &destination.service;
    let not_mirrored = "requests to it are not mirrored; primary traffic is not affected";
    let Some(service) = services.get(name) else {
        let help = match services.meant_by(name, rule) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "add the Service, or take it out of the destinations".to_owned(),
        };
        let message = format!("the destination `{name}` does not exist");
        report.push(
            Diagnostic::new(
                Code::DestinationMissing,
                rule.origin,
                destination.path().key("name"),
                message,
            )
            .effect(not_mirrored)
            .help(help),
        );
        return None;
    };
    if service.http_ports().next().is_some() && service.has_slices {
        return Some(service);
    }
    if service.default_port().is_some() {
        report.push(unserved(rule, destination));
        return None;
    }
    let reasons = service.ports.iter().filter_map(|port| {
        let reason = port.backend.as_ref().err()?;
        Some(format!("{port}: {reason}"))
    });
    let reasons = match reasons.collect::<Vec<_>>().join("; ") {
        none if none.is_empty() => "it has no ports".to_owned(),
        reasons => reasons,
    };
    let message = format!("the destination `{name}` has no HTTP port ({reasons})");
    report.push(
        Diagnostic::new(
            Code::DestinationNotHttp,
            rule.origin,
            destination.path(),
            message,
        )
        .effect(not_mirrored)
        .help("only HTTP can be mirrored; if it is HTTP, say `appProtocol: http` in the Service"),
    );
    None
}

/// A sidecar that took the requests would refuse them all, where the name alone may lead somewhere.
fn unserved(rule: &MirrorRule<'_>, destination: &RuleDestination) -> Diagnostic {
    let name = &destination.service;
    Diagnostic::new(
        Code::DestinationUnserved,
        rule.origin,
        destination.path(),
        format!("the destination `{name}` has no EndpointSlice"),
    )
    .effect("sidecars leave it alone: requests to it pass through, resolved by DNS, and are not mirrored")
    .help(endpoints::add_slice(name))
}

fn conflict(
    rule: &MirrorRule<'_>,
    destination: &RuleDestination,
    holder: &Claim<'_>,
) -> Diagnostic {
    let service = &destination.service;
    let reason = holder.seniority.reason(&rule.seniority);
    let holder = holder.rule;
    let message =
        format!("requests to `{service}` are mirrored by the PluginConfig `{holder}` already");
    Diagnostic::new(Code::Conflict, rule.origin, destination.path(), message)
        .effect(format!(
            "`{holder}` stays in force: {reason}; primary traffic is not affected"
        ))
        .help("take the destination out of one of them; for a second mirror, add another Plugin")
}

/// What is mirrored from a destination, where both ends allow it.
fn mirror(
    rule: &MirrorRule<'_>,
    destination: &RuleDestination,
    service: &UsedService<'_>,
    mirror: Option<&Mirror>,
    report: &mut Report,
) -> Option<Mirror> {
    let mirror = mirror?;
    let target = &mirror.target;
    if leads_back(target, destination, service) {
        let message = match target {
            Target::Service { backend, .. } if backend.subset.is_all() => {
                format!("`{}` is mirrored to itself", backend.service)
            }
            Target::Service { backend, .. } => format!(
                "`{0}` is mirrored to itself: the Pods of `{0}{1}` answer live requests",
                backend.service, backend.subset
            ),
            Target::External(external) => format!(
                "`{}` is mirrored to itself: `{}` is a name of it",
                destination.service, external.host
            ),
        };
        report.push(
            Diagnostic::new(Code::SelfMirror, rule.origin, destination.path(), message)
                .effect("nothing is mirrored, or it would get every request twice; primary traffic is not affected")
                .help(match target.backend() {
                    Some(backend) if !backend.subset.is_all() => {
                        "keep these Pods out of the destination's selector, and name a Service of their own as the target"
                    }
                    _ => "name another target, or take it out of the destinations",
                }),
        );
        return None;
    }
    let others = service
        .http_ports()
        .filter(|port| port.protocol != target.protocol());
    let others: Vec<_> = others.map(|port| port.port.to_string()).collect();
    if !others.is_empty() {
        let message = format!(
            "the mirror target `{target}` speaks another HTTP version than port {} of `{}`",
            others.join(", "),
            destination.service,
        );
        report.push(
            Diagnostic::new(
                Code::TargetProtocol,
                rule.origin,
                destination.path(),
                message,
            )
            .effect("copies are sent in the target's version; primary traffic is not affected")
            .help("mirror to a port of the same kind, or correct `appProtocol` in the Services"),
        );
    }
    Some(mirror.clone())
}

/// Whether the target is the destination, by its own name or by one that DNS knows.
fn leads_back(target: &Target, destination: &RuleDestination, service: &UsedService<'_>) -> bool {
    let Namespaced { namespace, name } = &destination.service;
    match target {
        Target::Service { backend, .. } => backend.service == destination.service,
        Target::External(external) => {
            let suffix = external
                .host
                .strip_prefix(&format!("{name}.{namespace}").to_ascii_lowercase());
            let is_name = matches!(
                suffix.map(|suffix| suffix.trim_end_matches('.')),
                Some("" | ".svc" | ".svc.cluster" | ".svc.cluster.local")
            );
            let is = |ip| service.cluster_ips.contains(&ip);
            is_name || external.address().is_some_and(is)
        }
    }
}

/// What there is to know about the ports of a destination.
fn about_ports(
    rule: &MirrorRule<'_>,
    destination: &RuleDestination,
    service: &UsedService<'_>,
    report: &mut Report,
) {
    let name = &destination.service;
    for port in &service.ports {
        let (code, message, effect, help) = match &port.backend {
            Err(reason) => (
                Code::PortNotHttp,
                format!("port {port} of `{name}` is not HTTP: {reason}"),
                "requests to this port are not mirrored; primary traffic is not affected",
                "if it is HTTP, say `appProtocol: http` in the Service".to_owned(),
            ),
            Ok(backend) if backend.endpoints.is_empty() => (
                Code::DestinationEmpty,
                format!("port {port} of the destination `{name}` has no ready endpoints"),
                "requests to it fail, mirrored or not",
                port.help_if_empty(name),
            ),
            Ok(_) => continue,
        };
        report.push(
            Diagnostic::new(code, rule.origin, destination.path(), message)
                .effect(effect)
                .help(help),
        );
    }
}
