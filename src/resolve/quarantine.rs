//! Who is in quarantine: the nodes whose Pods only receive copies, where a rule asks for it.
//!
//! A shadow that is asked for the same as the live service does the same: it writes to the databases and calls the services
//! that the live one does. Its own sidecar can keep it from that. Which Pods these are is decided by selectors, as
//! everything is that has to do with what is behind a Service: see [places](super::places).
//!
//! | The Pods are behind | |
//! |---|---|
//! | targets of mirrors, and no other Service | the strictest of the rules holds for them |
//! | a target, and a Service that is none, or that is mirrored itself | they are live: nothing is refused, and it is told |
//!
//! Shares decide nothing: a shadow at a share of 0 is still one, and so is one whose mirror is stopped. It ends with the
//! rule, and with the switch for all of them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use super::behind::{Shadow, Targets};
use super::callers::Callers;
use super::claims::PluginClaims;
use super::harmless::{API_SERVER, Harmless};
use super::services::{Services, UsedService};
use crate::api::annotation::{INJECTED, LISTEN};
use crate::api::meta::has_all;
use crate::diag::{Code, Diagnostic, FieldPath, Report};
use crate::dialect::{MirrorRule, TargetRef};
use crate::model::{Capture, Quarantine, Strictness, Subset};
use crate::name::Namespaced;
use crate::source::Objects;

/// All Pods of a Service.
static WHOLE: LazyLock<Subset> = LazyLock::new(Subset::default);

/// The mirrors that are in force, by what they mirror to.
pub(super) struct Asked<'a> {
    /// The rules that mirror to each Service.
    targets: BTreeMap<Shadow<'a>, Vec<&'a MirrorRule<'a>>>,
    /// The rules that ask for a quarantine.
    asking: Vec<(&'a MirrorRule<'a>, Strictness)>,
    /// The Services that some rule names as destinations.
    destinations: BTreeSet<&'a Namespaced>,
}

/// Whether any rule asks for one; if not, there is nothing to look at.
pub(super) fn is_asked(rules: &[MirrorRule<'_>]) -> bool {
    let mut specs = rules.iter().filter_map(|rule| rule.spec.as_ref());
    specs.any(|spec| spec.quarantine.is_some())
}

/// The Service by which the control plane of Kubernetes is reached, if there is anything to look at.
pub(super) fn named(rules: &[MirrorRule<'_>], objects: &Objects) -> Option<&'static Namespaced> {
    (is_asked(rules) && objects.services.contains_key(&*API_SERVER)).then_some(&*API_SERVER)
}

impl<'a> Asked<'a> {
    /// What the rules that hold a claim ask for.
    pub(super) fn read(
        rules: &'a [MirrorRule<'a>],
        claims: &BTreeMap<&str, PluginClaims<'a>>,
        is_on: bool,
    ) -> Self {
        let mut asked = Self {
            targets: BTreeMap::new(),
            asking: Vec::new(),
            destinations: BTreeSet::new(),
        };
        if !is_on || !is_asked(rules) {
            return asked;
        }
        let all = || claims.values().flatten();
        asked.destinations = all().map(|(destination, _)| *destination).collect();
        let held = all().filter(|(_, claim)| claim.mirror.is_some());
        let held: BTreeSet<_> = held.map(|(_, claim)| claim.rule).collect();
        for rule in rules.iter().filter(|rule| held.contains(rule.name)) {
            let Some(spec) = &rule.spec else { continue };
            if let TargetRef::Service { name, subset, .. } = &spec.target {
                let shadow = (name, subset);
                asked.targets.entry(shadow).or_default().push(rule);
            }
            asked
                .asking
                .extend(spec.quarantine.map(|strictness| (rule, strictness)));
        }
        asked
    }

    /// Whether there is nothing to look at.
    fn is_empty(&self) -> bool {
        self.asking.is_empty()
    }

    /// Whether the Service receives nothing but copies.
    pub(super) fn is_shadow(&self, service: &Namespaced) -> bool {
        self.targets.contains_key(&(service, &*WHOLE)) && !self.destinations.contains(service)
    }

    /// The Services that receive nothing but copies.
    pub(super) fn shadows(&self) -> impl Iterator<Item = &'a Namespaced> {
        let targets = self.targets.keys().map(|(name, _)| *name);
        targets.filter(|name| self.is_shadow(name))
    }

    /// Adds the Services that the Pods of a target may be behind as well.
    pub(super) fn add_neighbours(&self, objects: &'a Objects, targets: &mut Targets<'a>) {
        if self.is_empty() {
            return;
        }
        let namespaces = self.targets.keys();
        let namespaces: BTreeSet<_> = namespaces.map(|(name, _)| &name.namespace).collect();
        for (name, service) in &objects.services {
            let spec = &service.object.spec;
            let is_alias = spec.kind.as_deref() == Some("ExternalName");
            if namespaces.contains(&name.namespace) && !is_alias && !spec.selector.is_empty() {
                targets.insert((name, &*WHOLE), Cow::Borrowed(&spec.selector));
            }
        }
    }
}

/// What holds for a set of nodes.
pub(super) struct Held {
    /// How much is refused.
    pub(super) strictness: Strictness,
    /// The rules that ask for it, sorted.
    pub(super) rules: Vec<Namespaced>,
}

/// What holds for all nodes.
pub(super) struct Quarantines<'a> {
    /// By the index of the Services that they are behind.
    held: Vec<Option<Held>>,
    harmless: Harmless<'a>,
}

impl<'a> Quarantines<'a> {
    /// Who is in quarantine, which is told where it is not as it was asked for.
    pub(super) fn settle(
        asked: &Asked<'a>,
        callers: &Callers,
        services: &'a Services<'a>,
        objects: &Objects,
        report: &mut Report,
    ) -> Self {
        if asked.is_empty() {
            return Self {
                held: Vec::new(),
                harmless: Harmless::default(),
            };
        }
        // None twice, however many nodes it concerns.
        let mut told = BTreeMap::new();
        let held = callers.behind.iter();
        let held = held.map(|behind| hold(asked, behind, &mut told)).collect();
        report.extend(told.into_values());
        for (rule, _) in &asked.asking {
            report.extend(unguarded(rule, callers, services, objects));
        }
        Self {
            held,
            harmless: Harmless::find(asked, callers, services, objects),
        }
    }

    /// What holds for the nodes that are behind the Services of this index.
    pub(super) fn held(&self, behind: usize) -> Option<&Held> {
        self.held.get(behind)?.as_ref()
    }

    /// What their sidecars are told, in this namespace.
    pub(super) fn model(&self, held: &Held, capture: Capture, namespace: &str) -> Quarantine {
        Quarantine {
            strictness: held.strictness,
            rules: held.rules.clone(),
            bounds: self.harmless.bounds(capture, namespace),
        }
    }
}

/// What is told, by rule and by whom it concerns.
type Told = BTreeMap<(Namespaced, Namespaced), Diagnostic>;

/// What holds for nodes that are behind these Services.
fn hold(asked: &Asked<'_>, behind: &[(Namespaced, Subset)], told: &mut Told) -> Option<Held> {
    let rules = behind
        .iter()
        .filter_map(|(name, subset)| asked.targets.get(&(name, subset)));
    let mut rules: Vec<_> = rules.flatten().copied().collect();
    rules.sort_by_key(|rule| rule.name);
    let asks = |rule: &MirrorRule<'_>| rule.spec.as_ref().and_then(|spec| spec.quarantine);
    let strictness = rules.iter().filter_map(|rule| asks(rule)).max()?;
    // Who is behind a subset is behind the whole as well.
    let whole = behind.iter().filter(|(_, subset)| subset.is_all());
    let mut whole = whole.map(|(name, _)| name);
    if let Some(live) = whole.find(|name| !asked.is_shadow(name)) {
        for rule in rules.iter().filter(|rule| asks(rule).is_some()) {
            let key = (rule.name.clone(), live.clone());
            told.insert(key, is_live(asked, rule, live));
        }
        return None;
    }
    let strictest = rules.iter().find(|rule| asks(rule) == Some(strictness))?;
    for rule in rules.iter().filter(|rule| asks(rule) != Some(strictness)) {
        let key = (rule.name.clone(), strictest.name.clone());
        told.insert(key, overruled(rule, strictest, strictness));
    }
    let rules = rules.iter().filter(|rule| asks(rule).is_some());
    Some(Held {
        strictness,
        rules: rules.map(|rule| rule.name.clone()).collect(),
    })
}

fn diagnostic(code: Code, rule: &MirrorRule<'_>, message: String) -> Diagnostic {
    let path = FieldPath::of("spec.config").key("quarantine");
    Diagnostic::new(code, rule.origin, path, message)
}

fn target(rule: &MirrorRule<'_>) -> String {
    let target = rule.spec.as_ref().map(|spec| spec.target.to_string());
    target.unwrap_or_default()
}

fn is_live(asked: &Asked<'_>, rule: &MirrorRule<'_>, live: &Namespaced) -> Diagnostic {
    let how = match asked.destinations.contains(live) {
        true => "whose requests are mirrored",
        false => "to which nothing is mirrored",
    };
    let target = target(rule);
    let message = match live.to_string() == target {
        true if asked.destinations.contains(live) => {
            format!("the target `{target}` is live: requests to it are mirrored as well")
        }
        true => format!("Pods of the subset are behind the Service `{live}` as a whole too, {how}"),
        false => {
            format!("Pods of the target `{target}` are behind the Service `{live}` too, {how}")
        }
    };
    diagnostic(Code::QuarantineLive, rule, message)
        .effect("they are not in quarantine, and may ask whatever they like; primary traffic is not affected")
        .help("give the Pods that are to receive copies alone labels that no other Service selects, such as `version: v2`")
}

fn overruled(rule: &MirrorRule<'_>, by: &MirrorRule<'_>, strictness: Strictness) -> Diagnostic {
    let message = format!(
        "the PluginConfig `{}` asks for `quarantine: {strictness}` for Pods of the target `{}`",
        by.name,
        target(rule)
    );
    diagnostic(Code::QuarantineOverruled, rule, message)
        .effect(format!("the stricter holds: `{strictness}`"))
        .help("say the same in both")
}

/// That the sidecars of a target's Pods are not known, if they are not.
fn unguarded(
    rule: &MirrorRule<'_>,
    callers: &Callers,
    services: &Services<'_>,
    objects: &Objects,
) -> Option<Diagnostic> {
    let say = |message, help: &str| {
        let said = diagnostic(Code::QuarantineUnguarded, rule, message);
        Some(said.effect("nothing is refused to what has no sidecar of this control plane; primary traffic is not affected").help(help))
    };
    let spec = rule.spec.as_ref()?;
    let name = match &spec.target {
        TargetRef::Service { name, .. } => name,
        TargetRef::External(_) => {
            let message = format!(
                "the target `{}` is no Service, so it has no sidecar",
                spec.target
            );
            return say(message, "take `quarantine` out, or mirror to a Service");
        }
    };
    let Some(labels) = services.get(name).and_then(UsedService::selector) else {
        let message = format!("the target `{name}` has no selector, so its Pods are not known");
        return say(message, "give the Service a selector");
    };
    let is_behind = |behind: &Vec<(Namespaced, Subset)>| behind.iter().any(|one| one.0 == *name);
    if !callers.behind.iter().any(is_behind) {
        let message = format!("no Pod or workload is known that is behind the target `{name}`");
        let help = "Pods are held as soon as they are there; in a folder, add a Pod or Deployment with its labels, after which the node of the sidecar is named";
        return say(message, help);
    }
    let first = Namespaced::new(&name.namespace, "");
    let pods = objects.pods.range(first..);
    let pods = pods.take_while(|(pod, _)| pod.namespace == name.namespace);
    let mut pods: Vec<_> = pods.map(|(_, pod)| &pod.object.metadata).collect();
    pods.retain(|pod| has_all(&pod.labels, labels));
    let all = pods.len();
    let has_sign = |sign: &str, pod: &&_| -> bool {
        let pod: &crate::api::meta::ObjectMeta = pod;
        pod.annotations.contains_key(sign)
    };
    pods.retain(|pod| !has_sign(INJECTED, pod) && !has_sign(LISTEN, pod));
    if pods.is_empty() {
        return None;
    }
    let message = format!(
        "no sidecar was added to {} of {all} Pods of the target `{name}`",
        pods.len()
    );
    say(
        message,
        "let their namespace join the mesh and restart them; of a sidecar that was set up by hand nothing is known here",
    )
}
