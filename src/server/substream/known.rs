//! What a client has of one name.

use crate::snapshot::Resource;
use crate::snapshot::Version;

/// What the client was last sent under a name.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) content: Content,
    pub(super) nonce: u64,
    /// How many names were in that response.
    pub(super) size: usize,
    pub(super) standing: Standing,
    /// Whether the client may have a resource of this name until it takes that response.
    pub(super) had: bool,
}

/// What it was.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content {
    Version(Version),
    /// It was told that there is no such resource.
    Absent,
    /// It said on reconnecting that it has something else.
    Other,
}

/// What the client said of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Unanswered,
    Accepted,
    Rejected,
}

impl Known {
    /// Whether the client may have a resource of this name.
    pub(super) fn may_be_there(&self) -> bool {
        self.content != Content::Absent || self.had && self.standing != Standing::Accepted
    }

    /// Whether there is a response still to be answered that makes a difference to what the client has.
    pub(super) fn is_on_its_way(&self) -> bool {
        self.standing == Standing::Unanswered && self.may_be_there()
    }

    /// Whether an answer to that response is about this.
    pub(super) fn awaits(&self, nonce: u64) -> bool {
        self.nonce == nonce && self.standing == Standing::Unanswered
    }

    /// Whether it is what there is now.
    pub(super) fn is(&self, resource: Option<&Resource>) -> bool {
        match (&self.content, resource) {
            (Content::Version(version), Some(resource)) => *version == resource.version,
            (Content::Absent, None) => true,
            _ => false,
        }
    }
}
