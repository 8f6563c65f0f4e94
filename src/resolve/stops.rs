//! Which rules are stopped, by what and why.
//!
//! A stop says nothing about what is mirrored: destinations, targets and routes stay as they are. It only lowers the share,
//! to nothing, so that it is one runtime value. That is one value for a whole rule, and so a rule is stopped as a whole.

use std::collections::BTreeSet;

use crate::api::annotation::STOP;
use crate::api::mesh_config::MeshConfig;
use crate::diag::Code;
use crate::diag::Diagnostic;
use crate::diag::FieldPath;
use crate::diag::Report;
use crate::dialect::MirrorRule;
use crate::dialect::stopped_by;
use crate::name::Namespaced;
use crate::source::Objects;
use crate::source::Sourced;

/// What stops a rule.
struct Stop {
    /// `its annotation`, `the Namespace ...`.
    by: String,
    reason: String,
    /// The arguments of the command that ends it.
    resume: String,
    path: FieldPath,
}

/// The rules that are stopped. Everything that stops one is told.
pub(super) fn stopped(
    rules: &[MirrorRule<'_>],
    objects: &Objects,
    mesh_config: Option<&Sourced<MeshConfig>>,
    report: &mut Report,
) -> BTreeSet<Namespaced> {
    let everything = mesh_config.and_then(|config| {
        let metadata = &config.object.metadata;
        Some((metadata.key(), stopped_by(metadata)?))
    });
    let mut stopped = BTreeSet::new();
    // One that mirrors nothing anyway is not stopped.
    for rule in rules.iter().filter(|rule| rule.spec.is_some()) {
        let mut stops: Vec<_> = itself(rule, objects).into_iter().collect();
        stops.extend(namespaces(rule, objects));
        stops.extend(everything.as_ref().map(|(name, reason)| Stop {
            by: format!("the MeshConfig `{name}`, as all are"),
            reason: (*reason).to_owned(),
            resume: "--all".to_owned(),
            path: FieldPath::root(),
        }));
        if !stops.is_empty() {
            stopped.insert(rule.name.clone());
        }
        report.extend(stops.into_iter().map(|stop| stop.told(rule)));
    }
    stopped
}

fn itself(rule: &MirrorRule<'_>, objects: &Objects) -> Option<Stop> {
    let config = objects.plugin_configs.get(rule.name)?;
    let reason = stopped_by(&config.object.metadata)?;
    Some(Stop {
        by: "its annotation".to_owned(),
        reason: reason.to_owned(),
        resume: rule.name.to_string(),
        path: FieldPath::of("metadata.annotations").key(STOP),
    })
}

/// The namespaces of all that it has to do with: whoever answers for one of them may end it.
fn namespaces(rule: &MirrorRule<'_>, objects: &Objects) -> Vec<Stop> {
    let own = (
        &rule.name.namespace,
        "in which it is".to_owned(),
        FieldPath::root(),
    );
    let from = rule.destinations.iter().map(|destination| {
        let service = &destination.service;
        let what = format!("in which its destination `{service}` is");
        (&service.namespace, what, destination.path())
    });
    let targets = rule.spec.iter();
    let to = targets
        .filter_map(|spec| spec.target.service())
        .map(|target| {
            let what = format!("in which its target `{target}` is");
            let path = FieldPath::of("spec.config.namespace");
            (&target.namespace, what, path)
        });
    let mut seen = BTreeSet::new();
    let mut stops = Vec::new();
    for (namespace, what, path) in std::iter::once(own).chain(from).chain(to) {
        if !seen.insert(namespace) {
            continue;
        }
        let found = objects.namespaces.get(&Namespaced::cluster(namespace));
        let reason = found.and_then(|found| stopped_by(&found.object.metadata));
        stops.extend(reason.map(|reason| Stop {
            by: format!("the Namespace `{namespace}`, {what}"),
            reason: reason.to_owned(),
            resume: format!("--namespace {namespace}"),
            path,
        }));
    }
    stops
}

impl Stop {
    fn told(self, rule: &MirrorRule<'_>) -> Diagnostic {
        let message = match &*self.reason {
            "" => format!("it is stopped by {}", self.by),
            reason => format!("it is stopped by {}: {reason}", self.by),
        };
        Diagnostic::new(Code::Stopped, rule.origin, self.path, message)
            .effect("its share is 0, and nothing is copied; primary traffic is not affected")
            .help(format!(
                "remove the annotation `{STOP}`; in a cluster `mirrorplane resume {}` does so",
                self.resume
            ))
    }
}
