//! Shares that are held down for the sake of a rate: the last of all, since it matters what the share would be without it.

use std::collections::BTreeMap;

use super::Caps;
use super::hold::Held;
use crate::diag::Code;
use crate::diag::Diagnostic;
use crate::diag::FieldPath;
use crate::diag::Report;
use crate::model::Fraction;
use crate::model::Model;
use crate::model::Rate;
use crate::name::Namespaced;
use crate::source::Objects;

/// The rates of a model with all other caps applied, the caps that follow from them, and what there is to say.
pub fn rates(
    held: &Held,
    model: &Model,
    objects: &Objects,
) -> (BTreeMap<Namespaced, Rate>, Caps, Report) {
    let (mut rates, mut caps, mut report) = (BTreeMap::new(), Caps::new(), Report::default());
    if held.rates.is_empty() {
        return (rates, caps, report);
    }
    let groups = model.groups.values();
    let mirrors = groups.flat_map(|group| super::mirrors(group));
    let shares: BTreeMap<&Namespaced, Fraction> = mirrors
        .map(|mirror| (&mirror.rule, mirror.fraction))
        .collect();
    for (rule, (limit, share, local)) in &held.rates {
        let Some(most) = shares.get(rule).copied() else {
            continue;
        };
        let rate = Rate {
            limit: *limit,
            share: *share,
            most,
            local: *local,
        };
        rates.insert(rule.clone(), rate);
        if *share < most {
            caps.insert(rule.clone(), *share);
            let config = objects.plugin_configs.get(rule);
            report.extend(config.map(|config| {
                let path = FieldPath::of("spec.config.maxRequestsPerSecond");
                let message = format!(
                    "its share is held down, so that there are not more than {limit} copies a second"
                );
                Diagnostic::new(Code::RateHeld, &config.origin, path, message)
                    .effect(format!("less than {most} is mirrored for now"))
            }));
        }
    }
    (rates, caps, report)
}
