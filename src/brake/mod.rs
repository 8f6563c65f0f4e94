//! What holds shares down: the one place where a share becomes less than what its object asks for.
//!
//! It is given a model and the most that each rule may mirror now, and yields the model with shares no larger than that. It
//! may only lower shares, and touches nothing else: what follows from it for a sidecar is a runtime value, never a route.

mod begun;
mod course;
mod hold;
mod ramp;
mod rates;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::Fraction;
use crate::model::Group;
use crate::model::Mirror;
use crate::model::Model;
use crate::name::Namespaced;

pub use self::begun::{Begun, Progress};
pub use self::course::{Course, Halt};
pub use self::hold::{CAREFUL, Held, hold};
pub use self::ramp::{Stage, stage};
pub use self::rates::rates;

/// The most that a rule may mirror now, of the rules of which there is anything to say.
pub type Caps = BTreeMap<Namespaced, Fraction>;

/// The model with no share above its cap.
pub fn apply(mut model: Model, caps: &Caps) -> Model {
    if caps.is_empty() {
        return model;
    }
    let too_much = |mirror: &Mirror| {
        let cap = caps.get(&mirror.rule);
        cap.is_some_and(|cap| *cap < mirror.fraction)
    };
    for group in model.groups.values_mut() {
        if !mirrors(group).any(too_much) {
            continue;
        }
        let ports = Arc::make_mut(group)
            .destinations
            .iter_mut()
            .flat_map(|destination| &mut destination.ports);
        for mirror in ports.flat_map(|port| &mut port.mirrors) {
            if let Some(cap) = caps.get(&mirror.rule) {
                mirror.fraction = mirror.fraction.min(*cap);
            }
        }
    }
    model
}

fn mirrors(group: &Group) -> impl Iterator<Item = &Mirror> {
    let ports = group.destinations.iter().flat_map(|one| &one.ports);
    ports.flat_map(|port| &port.mirrors)
}
