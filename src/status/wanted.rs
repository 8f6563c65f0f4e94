//! What the status of every object is to be. Pure.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt::Write;

use serde::Serialize;
use serde_json::Value;

use super::budget;
use super::concern::Concern;
use super::concern::denies;
use super::facts::Facts;
use super::facts::Served;
use super::kind::Kind;
use super::selection::Selection;
use super::tally;
use super::tally::Tally;
use crate::api::meta::ObjectMeta;
use crate::api::status::BudgetStatus;
use crate::api::status::Condition;
use crate::api::status::PluginChainStatus;
use crate::api::status::PluginConfigStatus;
use crate::api::status::PluginStatus;
use crate::api::status::Truth;
use crate::brake::CAREFUL;
use crate::diag::Code;
use crate::diag::Diagnostic;
use crate::name::Namespaced;
use crate::observe::Governor;
use crate::server::Sidecar;

/// The longest message, in characters. A list of everything is what `check` is for.
const LONGEST: usize = 2_000;

/// An object with a status.
pub(super) type Key = (Kind, Namespaced);

/// What the status of one object is to be.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wanted {
    /// Which object of that name; absent if it could not be read.
    pub(super) uid: Option<String>,
    /// Its conditions; when they changed is not known here.
    pub(super) conditions: Vec<Condition>,
    /// All other fields.
    pub(super) fields: Value,
}

/// The status of every object that has one, with the sidecars of this control plane and what the others have told of theirs.
pub(super) fn wanted(
    facts: &Facts,
    sidecars: &[Sidecar],
    others: &[Tally],
    governor: &Governor,
) -> BTreeMap<Key, Wanted> {
    let mut said: BTreeMap<Key, Vec<&Diagnostic>> = BTreeMap::new();
    for diagnostic in facts.report.iter() {
        let object = diagnostic.object.as_ref();
        if let Some((kind, object)) = object.and_then(|one| Some((Kind::named(&one.kind)?, one))) {
            let key = (kind, object.name.clone());
            said.entry(key).or_default().push(diagnostic);
        }
    }
    for diagnostics in said.values_mut() {
        // The worst first.
        diagnostics.sort_by_key(|one| {
            (
                !denies(one.code),
                std::cmp::Reverse(one.severity()),
                one.code,
            )
        });
    }
    let mut served = facts.served(sidecars);
    for (rule, served) in &mut served {
        let theirs = tally::spread(others, rule, facts.generation(rule));
        served.spread.add(&theirs);
    }
    let plugins = facts.plugins();
    let mut wanted = BTreeMap::new();
    // What could not be read has no metadata, and something is said about it.
    let objects = &facts.state.objects;
    let mut keys: BTreeSet<Key> = said.keys().cloned().collect();
    keys.extend(
        objects
            .plugins
            .keys()
            .map(|name| (Kind::Plugin, name.clone())),
    );
    keys.extend(
        objects
            .plugin_chains
            .keys()
            .map(|name| (Kind::PluginChain, name.clone())),
    );
    keys.extend(
        objects
            .plugin_configs
            .keys()
            .map(|name| (Kind::PluginConfig, name.clone())),
    );
    for key in keys {
        let said = said.get(&key).map(Vec::as_slice).unwrap_or_default();
        let (kind, name) = &key;
        let metadata = match kind {
            Kind::Plugin => objects.plugins.get(name).map(|one| &one.object.metadata),
            Kind::PluginChain => objects
                .plugin_chains
                .get(name)
                .map(|one| &one.object.metadata),
            Kind::PluginConfig => objects
                .plugin_configs
                .get(name)
                .map(|one| &one.object.metadata),
        };
        let mut about = About {
            said,
            metadata,
            conditions: Vec::new(),
        };
        about.judge(Concern::Accepted);
        let fields = match kind {
            Kind::Plugin => about.plugin(),
            Kind::PluginChain => {
                about.judge(Concern::ResolvedRefs);
                let selection = facts.selection(&plugins, name, sidecars);
                about.chain(selection, tally::selected(others, name))
            }
            Kind::PluginConfig => {
                about.judge(Concern::ResolvedRefs);
                let served = served.get(name);
                about.programmed(served, facts);
                let budget = facts.budgets.get(name);
                let budget = budget.and_then(|one| budget::kept(name, one, others));
                let mut fields = about.config(served, budget);
                if facts.rates.contains_key(name) {
                    let share = governor.share(name).unwrap_or(CAREFUL).millionths();
                    fields["rateShare"] = Value::from(share);
                }
                let own = facts.refused.get(name).copied().unwrap_or_default();
                let refused = own.saturating_add(tally::refused(others, name));
                if refused > 0 {
                    fields["refusedCalls"] = Value::from(refused);
                }
                fields
            }
        };
        let one = Wanted {
            uid: metadata.and_then(|metadata| metadata.uid.clone()),
            conditions: about.conditions,
            fields,
        };
        wanted.insert(key, one);
    }
    wanted
}

/// One object, and what there is to say about it: the worst first.
struct About<'a> {
    said: &'a [&'a Diagnostic],
    metadata: Option<&'a ObjectMeta>,
    conditions: Vec<Condition>,
}

impl About<'_> {
    fn condition(&mut self, concern: Concern, status: Truth, reason: &str, message: String) {
        self.conditions.push(Condition {
            type_: concern.as_str().to_owned(),
            status,
            observed_generation: self.metadata.and_then(|metadata| metadata.generation),
            last_transition_time: String::new(),
            reason: reason.to_owned(),
            message: message.chars().take(LONGEST).collect(),
        });
    }

    /// What the diagnostics come to.
    fn judge(&mut self, concern: Concern) {
        let ours = self
            .said
            .iter()
            .filter(|one| Concern::of(one.code) == concern);
        let ours: Vec<&Diagnostic> = ours.copied().collect();
        match ours.first().filter(|worst| denies(worst.code)) {
            Some(worst) => {
                let reason = format!("{:?}", worst.code);
                self.condition(concern, Truth::False, &reason, sentences(&ours));
            }
            None => self.condition(concern, Truth::True, concern.as_str(), sentences(&ours)),
        }
    }

    /// Whether the sidecars have a rule, or why none has it.
    fn programmed(&mut self, served: Option<&Served>, facts: &Facts) {
        let concern = Concern::Programmed;
        let stopped: Vec<&Diagnostic> = self
            .said
            .iter()
            .filter(|one| Concern::of(one.code) == concern)
            .copied()
            .collect();
        let Some(Served { spread, .. }) = served else {
            let off = facts
                .report
                .iter()
                .find(|one| matches!(one.code, Code::PluginPolicyOff | Code::NoMeshConfig));
            // What denies explains it, then the switch for everything, then what only warns.
            let own = self.said.first().copied();
            let why = own.filter(|one| denies(one.code)).or(off).or(own);
            return match why {
                Some(why) => {
                    let reason = format!("{:?}", why.code);
                    self.condition(concern, Truth::False, &reason, sentences(&[why]));
                }
                None => {
                    let message = "no chain brings it to any workload".to_owned();
                    self.condition(concern, Truth::False, "NoCallers", message);
                }
            };
        };
        let on = format!("on {} of {} sidecars", spread.programmed, spread.desired);
        if let Some(first) = stopped.first() {
            let reason = format!("{:?}", first.code);
            let message = format!("{on}; {}", sentences(&stopped));
            self.condition(concern, Truth::False, &reason, message);
        } else if spread.desired == 0 {
            let message = "no sidecar that it is for is connected".to_owned();
            self.condition(concern, Truth::False, "NoSidecars", message);
        } else if let Some((node, why)) = &spread.rejected {
            let code = Code::Rejected;
            let message = format!("{on}; {code}: `{node}` says: {why}");
            self.condition(concern, Truth::False, "Rejected", message);
        } else if spread.programmed < spread.desired {
            self.condition(concern, Truth::False, "Pending", on);
        } else {
            self.condition(concern, Truth::True, "Programmed", on);
        }
    }

    /// The gist: the last condition if all is well, else the first that is not.
    fn gist(&self) -> (Option<String>, Option<String>) {
        let bad = self.conditions.iter().find(|one| one.status != Truth::True);
        let gist = bad.or(self.conditions.last());
        let reason = gist.map(|one| one.reason.clone());
        let message = gist.map(|one| one.message.clone());
        (reason, message.filter(|text| !text.is_empty()))
    }

    fn plugin(&self) -> Value {
        let (current_status, reason) = self.gist();
        fields(&PluginStatus {
            current_status,
            reason,
            ..PluginStatus::default()
        })
    }

    fn chain(&self, selection: Option<Selection>, elsewhere: usize) -> Value {
        let (current_status, reason) = self.gist();
        fields(&PluginChainStatus {
            current_status,
            reason,
            plugins: selection.as_ref().map(|one| one.plugins.clone()),
            selected_sidecars: selection.map(|one| count(one.sidecars.saturating_add(elsewhere))),
            ..PluginChainStatus::default()
        })
    }

    fn config(&self, served: Option<&Served>, budget: Option<BudgetStatus>) -> Value {
        let (current_status, reason) = self.gist();
        let spread = served.map(|served| &served.spread);
        fields(&PluginConfigStatus {
            current_status,
            reason,
            target: served.map(|served| served.target.clone()),
            share: served.map(|served| served.share.to_string()),
            sidecars: spread.map(|one| format!("{}/{}", one.programmed, one.desired)),
            programmed_sidecars: spread.map(|one| count(one.programmed)),
            desired_sidecars: spread.map(|one| count(one.desired)),
            budget,
            ..PluginConfigStatus::default()
        })
    }
}

/// All that is said, each with its code; of the worst also what follows and what to do.
fn sentences(said: &[&Diagnostic]) -> String {
    let mut text = String::new();
    for (index, one) in said.iter().enumerate() {
        let separator = if index == 0 { "" } else { "; " };
        let mut write = |part: std::fmt::Arguments<'_>| {
            text.write_fmt(part)
                .expect("writing to a string does not fail");
        };
        write(format_args!("{separator}{}: {}", one.code, one.message));
        if index == 0 {
            for more in [&one.effect, &one.help] {
                if !more.is_empty() {
                    write(format_args!("; {more}"));
                }
            }
        }
    }
    text
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// A status has text, numbers and lists only, so that it is always representable.
fn fields(status: &impl Serialize) -> Value {
    serde_json::to_value(status).unwrap_or_default()
}
