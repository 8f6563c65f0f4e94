//! A roll-out as it is seen from outside.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::GroupId;
use crate::snapshot::Instance;
use crate::snapshot::ResourceType;

/// A change that is not everywhere yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The group whose sidecars are to have it.
    pub group: GroupId,
    /// The groups whose configuration these have now: often the same, at another state.
    pub from: BTreeSet<GroupId>,
    /// The clusters, listeners and routes that are added, removed or changed.
    pub changes: BTreeSet<(ResourceType, Arc<str>)>,
    /// How many connected sidecars it reached for when it began, canaries included.
    pub sidecars: usize,
    /// Those that try it, or did.
    pub canaries: Vec<Instance>,
    /// How it goes.
    pub stage: Stage,
}

/// How far a change is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The canaries have it, the others wait for their word.
    Trying,
    /// Canaries rejected it. Nobody is sent it any more until it changes.
    Rejected(Vec<Rejection>),
    /// All canaries were gone before they answered, and so were those that tried it after them. Nobody is sent it any more
    /// until it changes.
    Lost,
}

/// A canary's no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The canary.
    pub sidecar: Instance,
    /// The type that it rejected.
    pub ty: ResourceType,
    /// Why, in its own words, cut to 300 characters.
    pub message: String,
}

impl Status {
    /// The types of what changes.
    pub(super) fn types(&self) -> BTreeSet<ResourceType> {
        self.changes.iter().map(|(ty, _)| *ty).collect()
    }
}
