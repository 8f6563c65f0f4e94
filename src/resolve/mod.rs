//! Objects in, model out: who is mirrored where, and everything there is to say about it.
//!
//! Total: whatever the objects are, there is a [`Model`]; a bad object rejects itself only, and is reported. The passes:
//!
//! ```text
//! mesh config ──────────────────────────────┐
//! plugins ─► chains ─► nodes ─► reach ──────┼─► graph ─► groups ─► Model
//!        └─► rules ─► services ─► claims ───┘
//!                         └─► places ─► disguise ─► quarantine
//! ```
//!
//! Switching a mirror off, in whatever way, changes only the mirror. A destination that a rule names is handled by the
//! sidecar even while nothing is mirrored from it, so that the requests themselves take the same way before and after.

mod addresses;
mod behind;
mod brakes;
mod by_label;
mod callers;
mod captured;
mod claims;
mod credentials;
mod crowded;
mod disguise;
mod endpoints;
mod graph;
mod groups;
mod harmless;
mod nodes;
mod parts;
mod places;
mod protocol;
mod quarantine;
mod reach;
mod refused;
mod services;
mod stops;
mod targets;
mod unchanged;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

use crate::api::mesh_config::MeshConfig;
use crate::diag::{Code, Diagnostic, FieldPath, Report};
use crate::dialect::{
    MirrorChain, MirrorRule, MirrorSpec, NOTHING_MIRRORED, Plugins, mesh_config_in_force,
};
use crate::model::{Brake, Capture, Model};
use crate::name::Namespaced;
use crate::source::{Objects, Sourced};
use callers::Callers;
use groups::Grouped;
use places::Places;
use quarantine::{Asked, Quarantines};
pub use refused::refused;

/// What the operator decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How sidecars capture their applications' requests, unless an annotation says otherwise.
    pub capture: Capture,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            capture: Capture::Explicit((Ipv4Addr::LOCALHOST, 15001).into()),
        }
    }
}

/// What was last valid: the configuration of each PluginConfig, and how the sidecar of each node captures, of those that
/// still exist. It stays in force while an edit makes no sense.
///
/// Besides, what is not made anew while what it is made of is the same. It decides nothing, and is not compared.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    specs: BTreeMap<Namespaced, MirrorSpec>,
    captures: Arc<BTreeMap<Namespaced, Capture>>,
    grouped: Grouped,
}

impl PartialEq for Kept {
    fn eq(&self, other: &Self) -> bool {
        (&self.specs, &self.captures) == (&other.specs, &other.captures)
    }
}

impl Eq for Kept {}

/// What the objects come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// What is to be served, with the shares that the objects ask for.
    pub model: Model,
    /// What may hold shares down, of the rules of which there is anything of the kind.
    pub brakes: BTreeMap<Namespaced, Brake>,
    /// What is to be said, in the order of kind, object and field.
    pub report: Report,
    /// What to pass the next time.
    pub kept: Kept,
}

/// Resolves all references and conflicts among `objects`. `kept` is what the previous call yielded, or empty.
pub fn resolve(objects: &Objects, settings: &Settings, kept: &Kept) -> Resolved {
    let mut report = Report::default();
    let mesh_config = mesh_config_in_force(&objects.mesh_configs, &mut report);
    let plugins = Plugins::read(&objects.plugins, &mut report);
    let chains: Vec<_> = objects
        .plugin_chains
        .values()
        .filter_map(|chain| MirrorChain::read(chain, &plugins, &mut report))
        .collect();
    let rules: Vec<_> = objects
        .plugin_configs
        .iter()
        .filter_map(|(name, config)| {
            MirrorRule::read(name, config, &plugins, kept.specs.get(name), &mut report)
        })
        .collect();
    report_unused(&rules, &chains, &plugins, &mut report);
    let stopped = stops::stopped(&rules, objects, mesh_config, &mut report);

    let mut named = named_services(&rules);
    named.extend(quarantine::named(&rules, objects));
    let services = services::Services::read(objects, &named, &mut report);
    let mut claims = claims::settle(&rules, &services, &mut report);
    let places = Places::find(&services, &claims);
    disguise::uncover(&mut claims, &services, &places, &mut report);
    let is_on =
        mesh_config.is_some_and(|config| config.object.spec.feature_flags.enable_plugin_policy);
    if is_on {
        report_unconfigured(&rules, &chains, objects, &mut report);
    } else {
        report_policy_off(mesh_config, &rules, &plugins, &mut report);
    }

    let asked = Asked::read(&rules, &claims, is_on);
    let mut targets = behind::targets(&claims, &services);
    asked.add_neighbours(objects, &mut targets);
    let callers = Callers::find(
        objects,
        &chains,
        &kept.captures,
        settings.capture,
        &targets,
        kept.grouped.callers.as_ref(),
    );
    report.extend(callers.report.iter().cloned());
    let quarantines = Quarantines::settle(&asked, &callers, &services, objects, &mut report);
    let offers = groups::Offers {
        is_on,
        plugins: &plugins,
        claims: &claims,
        services: &services,
        places: &places,
        quarantines: &quarantines,
    };
    let (model, grouped) = offers.model(&callers, settings.capture, &kept.grouped, &mut report);
    Resolved {
        report: in_order(&report),
        kept: Kept {
            specs: keep(objects, &rules, kept),
            captures: Arc::clone(&callers.captures),
            grouped,
        },
        model,
        brakes: brakes::brakes(&rules, objects, &stopped, is_on),
    }
}

/// The Services that are destinations or targets.
fn named_services<'a>(rules: &'a [MirrorRule<'_>]) -> BTreeSet<&'a Namespaced> {
    let targets = rules
        .iter()
        .filter_map(|rule| rule.spec.as_ref())
        .filter_map(|spec| spec.target.service());
    let destinations = rules.iter().flat_map(|rule| &rule.destinations);
    targets
        .chain(destinations.map(|destination| &destination.service))
        .collect()
}

fn report_unused(
    rules: &[MirrorRule<'_>],
    chains: &[MirrorChain<'_>],
    plugins: &Plugins<'_>,
    report: &mut Report,
) {
    let chained: BTreeSet<_> = chains.iter().flat_map(|chain| &chain.plugins).collect();
    for rule in rules {
        if plugins.role(rule.plugin).is_some() && !chained.contains(&rule.plugin) {
            let message = format!(
                "the plugin `{}` is in no `outbound-http` chain",
                rule.plugin
            );
            report.push(
                Diagnostic::new(
                    Code::PluginUnused,
                    rule.origin,
                    FieldPath::of("spec.plugin"),
                    message,
                )
                .effect(NOTHING_MIRRORED)
                .help("add a PluginChain with the plugin, and selectors for the callers"),
            );
        }
    }
}

/// Says which plugins mirror nothing because no PluginConfig says what. One that names a plugin that does not exist is
/// probably theirs, and that is said already.
fn report_unconfigured(
    rules: &[MirrorRule<'_>],
    chains: &[MirrorChain<'_>],
    objects: &Objects,
    report: &mut Report,
) {
    let chained: BTreeSet<_> = chains.iter().flat_map(|chain| &chain.plugins).collect();
    let configured: BTreeSet<_> = rules.iter().map(|rule| rule.plugin).collect();
    let existing: BTreeSet<_> = objects.plugins.keys().map(|name| &*name.name).collect();
    if !configured.is_subset(&existing) {
        return;
    }
    for (name, plugin) in &objects.plugins {
        let name = name.name.as_str();
        if chained.contains(&name) && !configured.contains(name) {
            let path = FieldPath::of("metadata.name");
            let message = format!("no PluginConfig names the plugin `{name}`");
            report.push(
                Diagnostic::new(Code::PluginUnconfigured, &plugin.origin, path, message)
                    .effect(NOTHING_MIRRORED)
                    .help(format!(
                        "add a PluginConfig with `spec.plugin: {name}`, destinations and a target"
                    )),
            );
        }
    }
}

/// Says once that everything is off; that there is no MeshConfig has been said already.
fn report_policy_off(
    mesh_config: Option<&Sourced<MeshConfig>>,
    rules: &[MirrorRule<'_>],
    plugins: &Plugins<'_>,
    report: &mut Report,
) {
    let has_mirrors = rules.iter().any(|rule| plugins.role(rule.plugin).is_some());
    if let (Some(config), true) = (mesh_config, has_mirrors) {
        report.push(
            Diagnostic::new(
                Code::PluginPolicyOff,
                &config.origin,
                FieldPath::of("spec.featureFlags.enablePluginPolicy"),
                "plugins are switched off in the MeshConfig",
            )
            .effect(
                "nothing is mirrored, whatever PluginConfigs say; primary traffic is not affected",
            )
            .help("set `spec.featureFlags.enablePluginPolicy: true`"),
        );
    }
}

/// What each PluginConfig says now, or else what it last said that made sense.
fn keep(
    objects: &Objects,
    rules: &[MirrorRule<'_>],
    kept: &Kept,
) -> BTreeMap<Namespaced, MirrorSpec> {
    let existing = kept
        .specs
        .iter()
        .filter(|(name, _)| objects.plugin_configs.contains_key(name));
    let mut next: BTreeMap<_, _> = existing
        .map(|(name, spec)| (name.clone(), spec.clone()))
        .collect();
    for rule in rules.iter().filter(|rule| rule.is_current) {
        next.extend(rule.spec.clone().map(|spec| (rule.name.clone(), spec)));
    }
    next
}

/// By kind, object and field, whichever pass reported it.
fn in_order(report: &Report) -> Report {
    let mut diagnostics: Vec<_> = report.iter().collect();
    diagnostics.sort_by(|a, b| {
        let (of_a, of_b) = ((&a.object, &a.path), (&b.object, &b.path));
        of_a.cmp(&of_b)
            .then_with(|| (a.code, &a.message).cmp(&(b.code, &b.message)))
    });
    let mut ordered = Report::default();
    for diagnostic in diagnostics {
        ordered.push(diagnostic.clone());
    }
    ordered
}
