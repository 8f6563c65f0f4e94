//! What may hold the share of each rule down.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::time::SystemTime;

use prost_types::Timestamp;

use crate::api::annotation::RESUMED;
use crate::dialect::MirrorRule;
use crate::model::Brake;
use crate::model::Budget;
use crate::model::Watched;
use crate::name::Namespaced;
use crate::source::Objects;

/// All of it, of the rules of which there is anything of the kind.
pub(super) fn brakes(
    rules: &[MirrorRule<'_>],
    objects: &Objects,
    stopped: &BTreeSet<Namespaced>,
    is_on: bool,
) -> BTreeMap<Namespaced, Brake> {
    let brakes = rules.iter().filter_map(|rule| {
        let spec = rule.spec.as_ref()?;
        let brake = Brake {
            stopped: stopped.contains(rule.name),
            idle: spec.ramp.is_some() && !is_on,
            ramp: spec.ramp.clone(),
            watched: spec
                .budget
                .and_then(|budget| watched(rule, spec.text, budget, objects)),
            rate: spec.rate,
        };
        (brake != Brake::default()).then(|| (rule.name.clone(), brake))
    });
    brakes.collect()
}

fn watched(rule: &MirrorRule<'_>, text: u64, budget: Budget, objects: &Objects) -> Option<Watched> {
    let config = &objects.plugin_configs.get(rule.name)?.object;
    // What is mirrored, where to and how much: whoever changes any of it has looked into it. That is, what is in force of it: a
    // mistake changes nothing.
    let said = (text, &config.spec.plugin, &config.spec.destination_refs);
    let said = serde_json::to_vec(&said).unwrap_or_default();
    let resumed = config.metadata.annotations.get(RESUMED);
    let resumed = resumed.and_then(|time| time.parse::<Timestamp>().ok());
    Some(Watched {
        of: xxhash_rust::xxh3::xxh3_64(&said),
        budget,
        resumed: resumed.and_then(|time| SystemTime::try_from(time).ok()),
    })
}
