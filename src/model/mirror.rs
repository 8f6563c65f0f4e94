//! What is copied, and on which terms.

use std::sync::Arc;
use std::time::Duration;

use super::{CopyPolicy, Fraction, Selection, Target};
use crate::name::Namespaced;

/// A copy of the requests to a destination.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mirror {
    /// The object that asks for it; it names the mirror's cluster and its runtime key.
    pub rule: Namespaced,
    /// Where the copies go.
    pub target: Target,
    /// The share of requests that is copied.
    pub fraction: Fraction,
    /// What the object says beyond that.
    pub terms: Arc<Terms>,
}

impl Mirror {
    /// A mirror on the usual terms.
    pub fn new(rule: Namespaced, target: impl Into<Target>, fraction: Fraction) -> Self {
        Self {
            rule,
            target: target.into(),
            fraction,
            terms: Arc::default(),
        }
    }
}

/// The optional part of a mirror. The default is what holds where nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Terms {
    /// What copies may use.
    pub limits: Limits,
    /// Which requests are copied.
    pub selection: Selection,
    /// Whose value decides whether a request is in the share: always the same for one value, and never without it. `None` if
    /// chance decides.
    pub sticky: Option<Sticky>,
    /// How copies differ.
    pub copy: CopyPolicy,
    /// From when on a copy counts as slow, if anybody asks.
    pub slow_after: Option<Duration>,
}

/// What tells users apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sticky {
    /// A header, in lower case.
    Header(String),
    /// A cookie.
    Cookie(String),
}

/// What the copies of one mirror may use, at each sidecar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// How long a copy may take in all, its body included.
    pub duration: Duration,
    /// How many copies may be under way; what is more is dropped.
    pub concurrent: u32,
    /// Bytes of the largest body that is copied.
    pub body: u32,
}

/// Small, and more than a healthy shadow needs.
impl Default for Limits {
    fn default() -> Self {
        Self {
            duration: Duration::from_secs(5),
            concurrent: 64,
            body: 1024 * 1024,
        }
    }
}
